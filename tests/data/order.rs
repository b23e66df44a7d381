//! Which images come when.

use std::collections::BTreeMap;

use vitrine::data::order::Orders;

fn counts(numbers: &[u32]) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    numbers.iter().for_each(|number| *counts.entry(*number).or_insert(0) += 1);
    counts
}

#[test]
fn repeated_images_come_in_one_batch_and_in_groups_of_their_own() {
    let orders = Orders::new(3, 240, 3, 4);
    let steps: Vec<Vec<u32>> = (0..5).map(|step| orders.numbers(0, step * 48..(step + 1) * 48)).collect();
    for (ix, numbers) in steps.iter().enumerate() {
        let counts = counts(numbers);
        assert!(counts.len() == 16 && counts.values().all(|&count| count == 3), "step {ix}: {counts:?}");
        for group in numbers.chunks(12) {
            assert!(self::counts(group).values().all(|&count| count == 1), "step {ix}: {group:?}");
        }
    }
    let epoch = counts(&steps.concat());
    assert_eq!(epoch.len(), 80, "a third of the images");
    assert_ne!(epoch, counts(&(0..5).flat_map(|step| orders.numbers(1, step * 48..(step + 1) * 48)).collect::<Vec<_>>()));
}

#[test]
fn one_repeat_is_the_plain_order_whatever_the_groups() {
    let plain = Orders::new(3, 50, 1, 1).numbers(2, 10..30);
    assert_eq!(plain, Orders::new(3, 50, 1, 5).numbers(2, 10..30));
    assert!(counts(&plain).values().all(|&count| count == 1));
}
