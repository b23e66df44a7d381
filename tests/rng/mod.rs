//! Random numbers: the shader's are the library's, bit for bit.

use vitrine::gpu::Gpu;
use vitrine::gpu::readback::Readbacks;
use vitrine::gpu::stitch::FILES;
use vitrine::platform::Wait as _;
use vitrine::rng::{device_words, folded, unit, words};
use wgpu::util::DeviceExt;

use crate::support::adapter::adapter;

/// Five words a counter: the four of `rng_words`, and `rng_unit` of the first.
const KERNEL: &str = "
@group(0) @binding(0) var<storage, read> counters: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> drawn: array<u32>;

@compute @workgroup_size(1)
fn draw(@builtin(global_invocation_id) global: vec3<u32>) {
    let counter = counters[global.x];
    let words = rng_words(counter.x, counter.y, counter.z, counter.w);
    for (var word = 0u; word < 4u; word++) {
        drawn[5u * global.x + word] = words[word];
    }
    drawn[5u * global.x + 4u] = bitcast<u32>(rng_unit(words.x));
}
";

/// Corners of the counter space, and a stretch of plain use.
fn counters() -> Vec<[u32; 4]> {
    let corners = [0, 1, 0x7FFF_FFFF, 0x8000_0000, u32::MAX];
    let mut counters: Vec<[u32; 4]> = corners.iter().flat_map(|a| corners.iter().map(|b| [*a, *b, *b, *a])).collect();
    counters.extend((0..200).map(|index| [folded(42), 1 + index % 7, index / 3, index * 0x0101_0101]));
    counters
}

fn draw_on(gpu: &Gpu, counters: &[[u32; 4]]) -> Vec<u32> {
    let library = FILES.iter().find(|(name, _)| *name == "lib/rng").expect("the shader library has it").1;
    let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("rng"),
        source: wgpu::ShaderSource::Wgsl(format!("{library}{KERNEL}").into()),
    });
    let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("rng"),
        layout: None,
        module: &module,
        entry_point: Some("draw"),
        compilation_options: Default::default(),
        cache: None,
    });
    let buffer = |words: &[u32], usage| {
        let contents = bytemuck::cast_slice(words);
        gpu.device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: Some("rng"), contents, usage })
    };
    let input = buffer(bytemuck::cast_slice(counters), wgpu::BufferUsages::STORAGE);
    let output = buffer(&vec![0; 5 * counters.len()], wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
    let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("rng"),
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[
            wgpu::BindGroupEntry { binding: 0, resource: input.as_entire_binding() },
            wgpu::BindGroupEntry { binding: 1, resource: output.as_entire_binding() },
        ],
    });
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(counters.len() as u32, 1, 1);
    }
    gpu.queue.submit([encoder.finish()]);
    let drawn = Readbacks::default().read(gpu, &output, 0, 5 * counters.len()).wait().expect("the words can be read back");
    drawn.into_iter().map(f32::to_bits).collect()
}

#[test]
fn shaders_draw_the_same_bits() {
    let Some(gpu) = adapter() else { return };
    let counters = counters();
    let drawn = draw_on(&gpu, &counters);
    for (counter, drawn) in counters.iter().zip(drawn.chunks(5)) {
        let expected = device_words(counter[0], counter[1], counter[2], counter[3]);
        assert_eq!(drawn[..4], expected, "{counter:?}");
        assert_eq!(drawn[4], unit(expected[0]).to_bits(), "unit of {counter:?}");
    }
}

#[test]
fn words_are_those_of_pcg4d() {
    // Worked out by hand from Listing 4 of Jarzynski & Olano 2020, in wide integers.
    let reference = |counter: [u32; 4]| {
        let modulus = 1u128 << 32;
        let mut v = counter.map(|word| (u128::from(word) * 1_664_525 + 1_013_904_223) % modulus);
        for round in 0..2 {
            if round == 1 {
                v = v.map(|word| word ^ (word >> 16));
            }
            v[0] = (v[0] + v[1] * v[3]) % modulus;
            v[1] = (v[1] + v[2] * v[0]) % modulus;
            v[2] = (v[2] + v[0] * v[1]) % modulus;
            v[3] = (v[3] + v[1] * v[2]) % modulus;
        }
        v.map(|word| word as u32)
    };
    for counter in counters() {
        assert_eq!(device_words(counter[0], counter[1], counter[2], counter[3]), reference(counter), "{counter:?}");
    }
}

#[test]
fn both_halves_of_a_seed_matter() {
    assert_eq!(words(7, 1, 2, 3), device_words(folded(7), 1, 2, 3));
    assert_ne!(words(7, 1, 2, 3), words(7 | 1 << 40, 1, 2, 3));
    assert_ne!(words(7, 1, 2, 3), words(8, 1, 2, 3));
}
