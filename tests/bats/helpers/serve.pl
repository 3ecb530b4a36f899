#!/usr/bin/perl
# An issuer of keys: answers every HTTP request on a port of its own with what FILE holds then.
# serve.pl FILE; the first line is the port, every further one a request.
use strict;
use warnings;
use IO::Socket::INET;

$| = 1;
my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 10) or die "tcp: $!";
print $listen->sockport, "\n";
while (my $client = $listen->accept) {
	my $request = <$client> // '';
	while (defined(my $line = <$client>)) { last if $line =~ /^\r?$/ }
	open(my $in, '<', $ARGV[0]) or die "$ARGV[0]: $!";
	my $body = do { local $/; <$in> };
	print $client "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ",
		length($body), "\r\nConnection: close\r\n\r\n", $body;
	close($client);
	$request =~ s/\r?\n//;
	print "$request\n";
}
