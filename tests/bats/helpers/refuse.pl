#!/usr/bin/perl
# A server that has no time: answers every request, on a port of its own, with 503 and Retry-After.
# refuse.pl SECONDS; the first line is the port, every further one "MILLISECONDS REQUEST".
use strict;
use warnings;
use IO::Socket::INET;
use Time::HiRes qw(time);

$| = 1;
my $problem = '{"code":"server_full","detail":"come back later","status":503,"title":"full"}';
my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 100) or die "tcp: $!";
print $listen->sockport, "\n";
while (my $client = $listen->accept) {
	my $now = int(time * 1000);
	my $request = <$client> // '';
	while (defined(my $line = <$client>)) { last if $line =~ /^\r?$/ }
	print $client "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nContent-Length: ",
		length($problem), "\r\nRetry-After: $ARGV[0]\r\nConnection: close\r\n\r\n", $problem;
	close($client);
	$request =~ s/\r?\n//;
	print "$now $request\n";
}
