//! Weights to and from other programs: timm, DeiT, PyTorch's own files.

mod export;
mod import;
mod pth;
