#!/usr/bin/perl
# As a service manager does: listen on a Unix socket and on a TCP port that is free, hand both over as
# descriptors 3 and 4, become the command.  activate.pl SOCKET FILE COMMAND...; the port goes to FILE.
use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX qw(dup2);

my ($path, $file, @command) = @ARGV;
my $local = IO::Socket::UNIX->new(Local => $path, Listen => 10) or die "$path: $!";
my $tcp = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 10) or die "tcp: $!";
open(my $out, '>', $file) or die "$file: $!";
print $out $tcp->sockport;
close($out) or die "$file: $!";
# Copies above what is in use, so that neither is overwritten before it is read.
sub high { my ($fd) = @_; $fd = POSIX::dup($fd) while $fd < 10; return $fd }
my ($high_local, $high_tcp) = (high($local->fileno), high($tcp->fileno));
dup2($high_local, 3);
dup2($high_tcp, 4);
POSIX::close($_) for (5 .. 30);
$ENV{LISTEN_PID} = $$;
$ENV{LISTEN_FDS} = 2;
exec(@command) or die "$command[0]: $!";
