//! Lifetimes packed into arenas.
//!
//! A few large buffers hold every temporary value of a step. Values whose lifetimes do not overlap
//! share bytes. On a GPU a buffer must not be bound `read` and `read_write` in one dispatch, even
//! for disjoint ranges, so the caller names the arenas a value must keep out of.

/// A piece of an arena, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Which arena.
    pub arena: usize,
    /// First word.
    pub offset: usize,
    /// Words, rounded up to the alignment.
    pub len: usize,
}

/// Packs spans, freeing and reusing as the plan goes.
#[derive(Debug)]
pub struct Packer {
    arenas: Vec<Arena>,
    align: usize,
    max_arena_len: usize,
}

#[derive(Debug, Default)]
struct Arena {
    len: usize,
    /// Free pieces below `len`: (offset, len), by offset, never adjacent.
    holes: Vec<(usize, usize)>,
}

impl Packer {
    /// A packer whose spans start at multiples of `align` words and whose arenas stay below
    /// `max_arena_len` words.
    pub fn new(align: usize, max_arena_len: usize) -> Self {
        Self { arenas: Vec::new(), align, max_arena_len }
    }

    /// Length of each arena, in words.
    pub fn arena_lens(&self) -> Vec<usize> {
        self.arenas.iter().map(|arena| arena.len).collect()
    }

    /// A free span of `len` words outside the `forbidden` arenas: the tightest hole, or else the
    /// arena that grows least.
    pub fn allocate(&mut self, len: usize, forbidden: &[usize]) -> Span {
        let len = len.max(1).div_ceil(self.align) * self.align;
        let best = self
            .arenas
            .iter()
            .enumerate()
            .filter(|(ix, _)| !forbidden.contains(ix))
            .map(|(ix, arena)| (arena.fit(len), ix))
            .filter(|((growth, _), ix)| self.arenas[*ix].len + growth <= self.max_arena_len)
            .min();
        let arena = match best {
            Some((_, ix)) => ix,
            None => {
                self.arenas.push(Arena::default());
                self.arenas.len() - 1
            }
        };
        Span { arena, offset: self.arenas[arena].take(len), len }
    }

    /// Gives a span back.
    pub fn free(&mut self, span: Span) {
        self.arenas[span.arena].give(span.offset, span.len);
    }
}

impl Arena {
    /// (growth, size of the hole used) for a span of `len` words; smaller is better.
    fn fit(&self, len: usize) -> (usize, usize) {
        match self.holes.iter().filter(|(_, hole)| *hole >= len).map(|(_, hole)| *hole).min() {
            Some(hole) => (0, hole),
            None => (len - self.tail(), usize::MAX),
        }
    }

    /// Free words at the very end.
    fn tail(&self) -> usize {
        self.holes.last().filter(|(offset, hole)| offset + hole == self.len).map_or(0, |(_, hole)| *hole)
    }

    fn take(&mut self, len: usize) -> usize {
        let tightest = (0..self.holes.len()).filter(|ix| self.holes[*ix].1 >= len).min_by_key(|ix| self.holes[*ix].1);
        if let Some(ix) = tightest {
            let (offset, hole) = self.holes[ix];
            if hole == len {
                self.holes.remove(ix);
            } else {
                self.holes[ix] = (offset + len, hole - len);
            }
            return offset;
        }
        let tail = self.tail();
        if tail > 0 {
            self.holes.pop();
        }
        let offset = self.len - tail;
        self.len = offset + len;
        offset
    }

    fn give(&mut self, offset: usize, len: usize) {
        let ix = self.holes.partition_point(|(start, _)| *start < offset);
        self.holes.insert(ix, (offset, len));
        if ix + 1 < self.holes.len() && offset + len == self.holes[ix + 1].0 {
            self.holes[ix].1 += self.holes[ix + 1].1;
            self.holes.remove(ix + 1);
        }
        if ix > 0 && self.holes[ix - 1].0 + self.holes[ix - 1].1 == self.holes[ix].0 {
            self.holes[ix - 1].1 += self.holes[ix].1;
            self.holes.remove(ix);
        }
    }
}
