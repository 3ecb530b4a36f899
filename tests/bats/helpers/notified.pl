#!/usr/bin/perl
# A service manager's ear: what comes to the datagram socket PATH, a line each, its newlines as "|".
# notified.pl PATH; the first line says that it listens.
use strict;
use warnings;
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);

$| = 1;
my $socket = IO::Socket::UNIX->new(Local => $ARGV[0], Type => SOCK_DGRAM) or die "$ARGV[0]: $!";
print "listening\n";
while (defined $socket->recv(my $said, 4096)) {
	$said =~ tr/\n/|/;
	print "$said\n";
}
