//! Matrix products, with the epilogues that follow them in a ViT.
//!
//!   nt: y = a·bᵀ (a linear layer: b is [out, in])     nn: y = a·b     tn: y = aᵀ·b
//!   y ← f(y + bias) + residual
//!
//! Shapes      nt: a [m, k], b [n, k]; nn: a [m, k], b [k, n]; tn: a [k, m], b [k, n] → y [m, n];
//!             with `batch` > 1 all have a leading [batch]; bias [n]; residual [m, n]
//! Derivative  nt: d_a = d_y·b, d_b = d_yᵀ·a;  nn: d_a = d_y·bᵀ, d_b = aᵀ·d_y;  tn: d_a = b·d_yᵀ, d_b = a·d_y
//! Cost        2·batch·m·n·k flop
//! Numerics    f32 sums over k; tn with a long k (the gradient of a weight) in fixed chunks added in order
//! Errors      inner lengths that differ
//! Source      none. Differs: none.

use std::any::Any;
use std::sync::Arc;

use crate::defined_by;
use crate::error::{Error, Result};
use crate::graph::launch::{Launch, Target};
use crate::graph::{Cost, Graph, Node, Op, Shape, Value};
use crate::ops::activation::{Activation, Kind};
use crate::ops::bias::AddBias;
use crate::ops::elementwise::Add;

/// Which factor is transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// a·bᵀ.
    Nt,
    /// a·b.
    Nn,
    /// aᵀ·b.
    Tn,
}

/// What happens to a product before it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epilogue {
    /// A vector [n] is added (input 2).
    pub bias: bool,
    /// A non-linearity is applied.
    pub activation: Option<Kind>,
    /// A matrix [m, n] is added last (the last input).
    pub residual: bool,
    /// What the non-linearity was applied to is written too (output 1).
    pub keep: bool,
}

/// a, b (, bias) (, residual) → y (, y before the non-linearity).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatMul {
    /// Independent products.
    pub batch: usize,
    /// Rows of y.
    pub m: usize,
    /// Columns of y.
    pub n: usize,
    /// Inner length.
    pub k: usize,
    /// Which factor is transposed.
    pub form: Form,
    /// What follows the product.
    pub epilogue: Epilogue,
}

/// Product of matrices; a leading side beyond two is a batch.
///
/// `nt` sees `a` as [rows, k], whatever its leading sides: a linear layer on tokens.
pub fn matmul(graph: &mut Graph, form: Form, a: Value, b: Value) -> Result<Value> {
    let (a_shape, b_shape) = (graph.shape(a).clone(), graph.shape(b).clone());
    let batch = if b_shape.sides().len() == 3 { b_shape.sides()[0] } else { 1 };
    let (a_rows, a_width) = a_shape.rows_and_width();
    let (b_rows, b_width) = b_shape.rows_and_width();
    let (a_rows, b_rows) = (a_rows / batch, b_rows / batch);
    let (m, k, n, inner) = match form {
        Form::Nt => (a_rows, a_width, b_rows, b_width),
        Form::Nn => (a_rows, a_width, b_width, b_rows),
        Form::Tn => (a_width, a_rows, b_width, b_rows),
    };
    if k != inner || a_shape.len() != batch * m * k {
        let op = format!("matmul {form:?}");
        return Err(Error::shape(op, format!("{a_shape} and {b_shape} do not fit: inner lengths {k} and {inner}"), ""));
    }
    graph.push_one(MatMul { batch, m, n, k, form, epilogue: Epilogue::default() }, &[a, b])
}

/// x·Wᵀ + b: `x` [.., in], `weight` [out, in], `bias` [out] → [.., out].
pub fn linear(graph: &mut Graph, x: Value, weight: Value, bias: Option<Value>) -> Result<Value> {
    let y = matmul(graph, Form::Nt, x, weight)?;
    match bias {
        Some(bias) => crate::ops::bias::add_bias(graph, y, bias),
        None => Ok(y),
    }
}

impl MatMul {
    fn plain(&self, form: Form, [m, n, k]: [usize; 3]) -> Self {
        Self { batch: self.batch, m, n, k, form, epilogue: Epilogue::default() }
    }

    fn with(&self, epilogue: Epilogue) -> Option<Arc<dyn Op>> {
        Some(Arc::new(Self { epilogue, ..*self }))
    }
}

impl Op for MatMul {
    fn name(&self) -> &'static str {
        match self.form {
            Form::Nt => "matmul.nt",
            Form::Nn => "matmul.nn",
            Form::Tn => "matmul.tn",
        }
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let shape = match self.form {
            // The leading sides of a (batch, tokens) stay.
            Form::Nt | Form::Nn => {
                let mut sides = inputs[0].sides().to_vec();
                *sides.last_mut().expect("a matrix has a last side") = self.n;
                Shape::new(&sides)
            }
            Form::Tn if self.batch > 1 => [self.batch, self.m, self.n].into(),
            Form::Tn => [self.m, self.n].into(),
        };
        Ok(vec![shape; if self.epilogue.keep { 2 } else { 1 }])
    }

    fn adjoint(&self, graph: &mut Graph, node: &Node, d_outputs: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let Some(d_y) = d_outputs[0] else { return Ok(vec![None; 2]) };
        let (m, n, k) = (self.m, self.n, self.k);
        let [a, b] = [node.inputs[0], node.inputs[1]];
        let a_again = graph.saved(a)?;
        let (d_a, d_b) = match self.form {
            Form::Nt => ((self.plain(Form::Nn, [m, k, n]), [d_y, b]), (self.plain(Form::Tn, [n, k, m]), [d_y, a_again])),
            Form::Nn => ((self.plain(Form::Nt, [m, k, n]), [d_y, b]), (self.plain(Form::Tn, [k, n, m]), [a_again, d_y])),
            Form::Tn => ((self.plain(Form::Nt, [k, m, n]), [b, d_y]), (self.plain(Form::Nn, [k, n, m]), [a_again, d_y])),
        };
        let d_b = graph.push_one(d_b.0, &d_b.1)?;
        let d_a = graph.push_one(d_a.0, &d_a.1)?;
        Ok(vec![Some(d_a), Some(d_b)])
    }

    fn cost(&self) -> Cost {
        let (b, m, n, k) = (self.batch as f64, self.m as f64, self.n as f64, self.k as f64);
        Cost { flops: 2.0 * b * m * n * k, bytes: 4.0 * b * (m * k + k * n + m * n) }
    }

    defined_by!(crate::cpu::matmul::forward);

    fn launch(&self, target: &Target) -> Launch {
        let _ = target;
        Launch::default()
    }

    fn absorb(&self, consumer: &dyn Op, port: usize, keep: bool) -> Option<Arc<dyn Op>> {
        let consumer = consumer as &dyn Any;
        let epilogue = self.epilogue;
        if epilogue.residual {
            return None;
        }
        if consumer.is::<AddBias>() && port == 0 && self.batch == 1 && epilogue == Epilogue::default() && !keep {
            return self.with(Epilogue { bias: true, ..epilogue });
        }
        if let Some(activation) = consumer.downcast_ref::<Activation>()
            && epilogue.activation.is_none()
        {
            return self.with(Epilogue { activation: Some(activation.kind), keep, ..epilogue });
        }
        let is_residual = consumer.is::<Add>() && !keep && self.form == Form::Nt;
        if is_residual { self.with(Epilogue { residual: true, ..epilogue }) } else { None }
    }
}
