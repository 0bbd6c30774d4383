//! A guest of the tests: rayon's parallel iterators, sort, joins and scopes over heap objects that
//! one thread makes and another drops.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc;

use rayon::prelude::*;

fn quick(numbers: &mut [u64]) {
    if numbers.len() < 64 {
        numbers.sort_unstable();
        return;
    }
    let pivot = numbers[numbers.len() / 2];
    let (mut low, mut high) = (0, numbers.len() - 1);
    loop {
        while numbers[low] < pivot {
            low += 1;
        }
        while numbers[high] > pivot {
            high -= 1;
        }
        if low >= high {
            break;
        }
        numbers.swap(low, high);
        low += 1;
        high -= 1;
    }
    let (left, right) = numbers.split_at_mut(low);
    rayon::join(|| quick(left), || quick(right));
}

fn main() {
    let rounds = std::env::args().nth(1).and_then(|word| word.parse().ok());
    let rounds: u64 = rounds.unwrap_or(1_000);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build();
    let pool = pool.expect("four threads");
    pool.install(|| {
        println!("threads {}", rayon::current_num_threads());
        let words: Vec<String> = (0..rounds)
            .into_par_iter()
            .map(|i| format!("word {}", i * i % 977))
            .collect();
        let counts = words
            .par_iter()
            .fold(HashMap::new, |mut counts: HashMap<String, u64>, word| {
                *counts.entry(word.clone()).or_default() += 1;
                counts
            })
            .reduce(HashMap::new, |mut all, some| {
                for (word, count) in some {
                    *all.entry(word).or_default() += count;
                }
                all
            });
        let sorted: BTreeMap<_, _> = counts.iter().collect();
        println!("words {} {:?}", sorted.len(), sorted.iter().next());

        let mut texts = words;
        texts.par_sort();
        texts.dedup();
        println!("sorted {} {:?}", texts.len(), texts.last());

        let mut numbers: Vec<u64> = (0..rounds)
            .map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20)
            .collect();
        quick(&mut numbers);
        println!(
            "quick {}",
            numbers.windows(2).all(|pair| pair[0] <= pair[1])
        );

        let (sender, receiver) = mpsc::channel::<Box<[u64]>>();
        rayon::scope(|scope| {
            for i in 0..rounds / 20 {
                let sender = sender.clone();
                scope.spawn(move |_| {
                    let many = (0..i % 50).collect::<Vec<_>>();
                    sender.send(many.into_boxed_slice()).expect("a receiver");
                });
            }
            drop(sender);
        });
        let total: u64 = receiver
            .into_iter()
            .map(|many| many.iter().sum::<u64>())
            .sum();
        println!("sent {total}");
    });
}
