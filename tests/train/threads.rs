//! The processor's bits do not depend on how many threads share its work.

use vitrine::train::device::Device;

use super::toy;

/// Numbers and state after four steps on so many threads.
fn trained(sets: &[&str], num_threads: usize) -> (String, Vec<(&'static str, Vec<u32>)>) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(num_threads).build().expect("threads");
    pool.install(|| {
        let mut trainer = toy::trainer(&toy::experiment(sets), &Device::Cpu);
        let numbers = toy::train(&mut trainer, 0..4);
        (format!("{numbers:?}"), toy::state(&mut trainer).into_iter().collect())
    })
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let wide = ["model.dim=48", "model.heads=3", "train.batch=16", "train.micro_batch=16"];
    let sam = ["optim.sam_rho=0.05", "optim.clip_grad=1.0", "model.ffn=mlp-gelu"];
    // A head of 64 rows and 10 columns: cut in three, its products are small ones to `gemm`.
    let head = ["model.num_classes=10", "train.batch=64", "train.micro_batch=64"];
    for sets in [&[][..], &wide, &sam, &head] {
        let one = trained(sets, 1);
        for num_threads in [2, 3, 4, 7] {
            let several = trained(sets, num_threads);
            assert_eq!(one.0, several.0, "{sets:?}: one thread and {num_threads}");
            assert!(one.1 == several.1, "{sets:?}: the states of one thread and {num_threads} differ");
        }
    }
}
