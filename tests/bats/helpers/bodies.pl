#!/usr/bin/perl
# bodies.pl ADDRESS N BYTES REFUSED: N requests to HOST:PORT or a socket's path whose bodies begin
# with so many bytes and do not end.  Once REFUSED of them have been answered with 429 it says so,
# and keeps the others until its input ends.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;

my ($address, $n, $bytes, $refused) = @ARGV;
my $all = IO::Select->new;
$SIG{PIPE} = 'IGNORE';
for (1 .. $n) {
	my $s = $address =~ m{^/} ? IO::Socket::UNIX->new(Peer => $address) : IO::Socket::INET->new($address);
	$s or die "$address: $!\n";
	$s->autoflush(1);
	print $s "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: ", $bytes + 1, "\r\n\r\n", 'x' x $bytes;
	$all->add($s);
}
my $told = 0;
while ($told < $refused) {
	my @ready = $all->can_read(20) or die "$told were refused, not $refused\n";
	for my $s (@ready) {
		my $line = <$s> // '';
		$line =~ /^HTTP\/1\.1 429 / or die "told: $line\n";
		$told++;
		$all->remove($s);
	}
}
$| = 1;
print "refused $told\n";
<STDIN>;
