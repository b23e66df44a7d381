//! The built-in value of every key: the weakest layer of a config (architecture, section 5).

use super::experiment::*;

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            arch: "vit".into(),
            image_size: 32,
            num_classes: 10,
            dim: 64,
            depth: 6,
            heads: 2,
            mlp_ratio: 4.0,
            stem: "3Conv+3BN+3ReLU+1Proj".into(),
            strides: Vec::new(),
            stem_kernels: Vec::new(),
            stem_width: 64,
            stem_activation: "relu".into(),
            stem_conv_bias: false,
            ffn: "mlp-gelu".into(),
            ffn_norm: true,
            drop_path: 0.0,
        }
    }
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { kind: "fashion-mnist".into(), path: String::new(), fraction: 1.0, workers: 0, pack: true }
    }
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self {
            random_resized_crop: Vec::new(),
            pad_crop: 0,
            hflip: 0.0,
            rand_augment: String::new(),
            color_jitter: 0.0,
            random_erasing: 0.0,
            mixup: 0.0,
            cutmix: 0.0,
            mixup_prob: 1.0,
            mixup_switch_prob: 0.5,
            label_smoothing: 0.0,
            repeats: 1,
            mean: Vec::new(),
            std: Vec::new(),
        }
    }
}

impl Default for OptimConfig {
    fn default() -> Self {
        Self {
            kind: "adamw".into(),
            lr: 1e-3,
            lr_per: 0,
            betas: [0.9, 0.999],
            eps: 1e-8,
            momentum: 0.9,
            weight_decay: 0.05,
            clip_grad: 0.0,
            sam_rho: 0.0,
            sam_adaptive: false,
        }
    }
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { kind: "deit".into(), epochs: 10.0, warmup_epochs: 5.0, warmup_lr: 1e-6, min_lr: 1e-5 }
    }
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            batch: 128,
            micro_batch: 0,
            seed: 0,
            precision: "f32".into(),
            loss_scale: 65_536.0,
            loss_scale_every: 2000,
            ema: 0.0,
            on_crash: "stop".into(),
            eval_every: 1.0,
            checkpoint_every: 0,
        }
    }
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self { every: 100, images: 16, maps: 2, maps_every: 0 }
    }
}

impl Default for CrashConfig {
    fn default() -> Self {
        Self {
            window: 64,
            learned_frac: 0.9,
            diverged_frac: 0.5,
            diverged_margin: 0.25,
            diverged_steps: 50,
            collapsed_low: 0.97,
            collapsed_high: 1.05,
            collapsed_class_frac: 0.9,
            stuck_frac: 0.97,
            stuck_steps: 400,
            spike_mads: 6.0,
            spike_frac: 0.25,
            explosion_ratio: 10.0,
            explosion_z: 8.0,
            snapshot_every: 50,
            snapshot_mib: 1024,
        }
    }
}
