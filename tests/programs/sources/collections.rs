//! Collections, strings, boxes, formatting, a caught panic's absence: safe Rust and its allocator.

use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::fmt::Write as _;
use std::rc::{Rc, Weak};

struct Node {
    value: u64,
    children: Vec<Rc<Node>>,
    parent: Option<Weak<Node>>,
}

fn tree(depth: u32, value: u64) -> Rc<Node> {
    Rc::new_cyclic(|this| {
        let mut children = Vec::new();
        if depth > 0 {
            for branch in 0..3 {
                let child = tree(depth - 1, value * 3 + branch);
                children.push(child);
            }
        }
        Node { value, children, parent: Some(this.clone()) }
    })
}

fn sum(node: &Node) -> u64 {
    let own = node.parent.as_ref().and_then(Weak::upgrade).map_or(0, |this| this.value);
    own + node.children.iter().map(|child| sum(child)).sum::<u64>()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rounds: u64 = std::env::args().nth(1).ok_or("how many rounds?")?.parse()?;
    let mut map = HashMap::new();
    for i in 0..rounds {
        *map.entry(format!("key {}", i * 7919 % 1009)).or_insert(0u64) += i;
    }
    let mut entries: Vec<_> = map.into_iter().collect();
    entries.sort();
    println!("{} {:?}", entries.len(), entries.first());

    let ordered: BTreeMap<u64, String> = (0..rounds).map(|i| (i * 104_729 % 100_003, i.to_string())).collect();
    println!("{} {:?} {:?}", ordered.len(), ordered.first_key_value(), ordered.range(500..).next());

    let mut heap: BinaryHeap<_> = (0..rounds).map(|i| i * 31 % 4999).collect();
    let mut top = Vec::new();
    while let Some(value) = heap.pop() {
        if top.len() < 5 {
            top.push(value);
        }
    }
    println!("{top:?}");

    let mut queue = VecDeque::new();
    let mut list = LinkedList::new();
    for i in 0..rounds {
        queue.push_back(vec![i; (i % 10) as usize]);
        list.push_front(Box::new(i));
        if queue.len() > 100 {
            queue.pop_front();
        }
    }
    println!("{} {}", queue.iter().map(Vec::len).sum::<usize>(), list.iter().map(|b| **b).sum::<u64>());

    let unique: HashSet<String> = (0..rounds).map(|i| "x".repeat((i % 50) as usize)).collect();
    println!("{}", unique.len());
    println!("{}", sum(&tree(6, 1)));

    let mut text = String::new();
    for i in 0..rounds {
        write!(text, "{i:>5}|{:08.3}|{:#x};", i as f64 / 7.0, i)?;
    }
    let parsed: u64 = text.split(';').filter_map(|part| part.split('|').next()?.trim().parse::<u64>().ok()).sum();
    println!("{} {parsed}", text.len());
    let mut bytes = text.into_bytes();
    bytes.shrink_to_fit();
    bytes.sort_unstable();
    bytes.dedup();
    println!("{}", String::from_utf8(bytes)?);
    Ok(())
}
