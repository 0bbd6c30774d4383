# Hashes, regular expressions, sorting, formats, closures, and modules in shared objects.
use strict;
use warnings;
use List::Util qw(sum shuffle first);
use Storable qw(freeze thaw);
use Digest::MD5 qw(md5_hex);
use POSIX qw(floor strftime);

my $rounds = shift;
my (%count, @words);
for my $i (1 .. $rounds) {
    my $word = join '', map { chr(97 + ($i * $_ + $_ * $_) % 26) } 1 .. 3 + $i % 5;
    $count{$word}++;
    push @words, $word;
}
my @most = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
printf "%d words, %d kinds, most: %s\n", scalar @words, scalar @most, join ' ', @most[0 .. 4];
my $text = join ' ', @words;
my $vowels = () = $text =~ /[aeiou]/g;
(my $changed = $text) =~ s/(\w)(\w+)/\U$1\E$2/g;
printf "%d vowels, %s, %s\n", $vowels, md5_hex($text), substr $changed, 0, 40;
my $copy = thaw freeze { count => \%count, words => \@words };
printf "%d %s\n", sum(values %{ $copy->{count} }), first { length > 6 } @{ $copy->{words} };
my @tree = map { my $n = $_; sub { $n + shift } } 1 .. 1000;
printf "%d %s\n", sum(map { $_->(floor(2.5)) } @tree), strftime('%Y-%m-%d', gmtime 86400 * 365);
my $error = eval { die { code => 7 } } || $@;
print "error $error->{code}\n";
