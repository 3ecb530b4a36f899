#!/usr/bin/perl
# A person at a keyboard: takes a seat with pmr-join, edits one section at random places of the text
# as it is there, waits for each ack, and keeps a copy of the text from what it is told.
#
# usage: typist.pl NAME EDITS FILE PMR-JOIN-ARGUMENT...
#
# For each edit it writes a line to stdout, "ack SEQ REF", or "nothing SEQ REF" when it made no
# event, and "told SEQ" for each event of others.  When stdin ends it leaves;
# then FILE holds its copy of the text: of the last seq that it was told of, which is the last line
# of stdout, "end SEQ".  PMR_SEED makes the edits.
use strict;
use utf8;
use warnings;
use IPC::Open2;
use IO::Select;
use JSON::PP;

my ($name, $edits, $file, @join) = @ARGV;
my $json = JSON::PP->new->utf8->canonical;
my $section = $ENV{PMR_TYPED} // 'intro';
my ($text, $seq, $n, $flying, $left) = ('', 0, 0, undef, 0);
my @pieces = ('x', "\n", 'wörd ', "\x{1F389}", "e\x{301}", 'tab ', "\x{1F468}\x{200D}\x{1F469} ", '日本');

srand(($ENV{PMR_SEED} // 1) + unpack('%32C*', $name));
$| = 1;

my $pid = open2(my $from, my $to, "$ENV{BUILD}/pmr-join", '--content', 'delta', '--retry', 'forever',
	'--as', $name, @join);
$to->autoflush(1);

# An operation of the text-unicode type on the copy.  What JSON had in quotation marks is an insert.
sub apply {
	my $at = 0;
	for my $part (@{ $_[0] }) {
		if (ref $part) {
			substr($text, $at, $part->{d}) = '';
		} elsif ($json->encode([$part]) =~ /^\["/) {
			substr($text, $at, 0) = $part;
			$at += length $part;
		} else {
			$at += $part;
		}
	}
}

sub change {
	my $changes = shift or return;
	if ($changes->{delta}) {
		apply($changes->{delta});
	} elsif (exists $changes->{content}) {
		$text = $changes->{content} // '';
	}
}

sub type_something {
	my $at = int rand(1 + length $text);
	my $gone = length($text) - $at > 3 && rand() < 0.3 ? 1 + int rand 3 : 0;
	my @op;
	push @op, $at if $at;
	push @op, $pieces[ rand @pieces ] if !$gone || rand() < 0.5;
	push @op, { d => $gone } if $gone;
	$n++;
	$flying = { ref => "$name-$n", delta => \@op };
	print $to $json->encode({ type => 'section_update', ref => $flying->{ref},
		data => { section_id => $section, base_seq => $seq, changes => { delta => \@op } } }), "\n";
}

sub hear {
	my $m = $json->decode($_[0]);
	my $type = $m->{type};
	if ($type eq 'session_state') {
		$text = $m->{sections}{$section}{content} // '';
		$seq = $m->{seq};
	} elsif ($type eq 'ack' && $flying && $m->{ref} eq $flying->{ref}) {
		# Others may have deleted what we wanted to: then there is no event, and nothing to do.
		die "$name: $seq then ack $m->{seq}\n" if $m->{seq} <= $seq && !$m->{unchanged};
		change($m->{changes} // { delta => $flying->{delta} }) if !$m->{unchanged};
		print $m->{unchanged} ? 'nothing' : 'ack', " $m->{seq} $m->{ref}\n";
		$seq = $m->{seq} if $m->{seq} > $seq;
		undef $flying;
	} elsif ($type eq 'error') {
		die "$name: $_[0]\n";
	} elsif (defined $m->{event_id}) {
		die "$name: $seq then $m->{seq}\n" if $m->{seq} != $seq + 1;
		change($m->{changes}) if ($m->{section_id} // '') eq $section;
		$seq = $m->{seq};
		print "told $seq\n";
	}
	type_something() if !$flying && $seq && $n < $edits;
}

my $select = IO::Select->new($from, \*STDIN);
my $buffer = '';
while (1) {
	for my $fd ($select->can_read) {
		if ($fd == \*STDIN) {
			next if sysread STDIN, my $ignored, 4096;
			$select->remove(\*STDIN);
			close $to;
			next;
		}
		if (!sysread $from, $buffer, 65536, length $buffer) {
			$left = 1;
			last;
		}
		hear($1) while $buffer =~ s/^(.*)\n//;
	}
	last if $left;
}
waitpid $pid, 0;
die "$name: pmr-join ended with $?\n" if $?;
die "$name: $flying->{ref} was never acknowledged\n" if $flying;
open my $out, '>:encoding(UTF-8)', $file or die "$file: $!\n";
print $out $text;
close $out or die "$file: $!\n";
print "end $seq\n";
