//! stub
use std::time::Duration;
#[derive(Debug, Default)]
/// s
pub struct Estimator {
    last: Option<(Duration, u64)>,
}
/// s
pub struct StepMeasure {
    /// s
    pub begun: Duration,
    /// s
    pub ended: Duration,
    /// s
    pub copied_tracks: u32,
    /// s
    pub left_before: u64,
    /// s
    pub left_after: u64,
    /// s
    pub is_paced: bool,
}
/// s
#[derive(Clone, Copy)]
pub enum Work {
    /// s
    Checkpoint,
    /// s
    Vtoc,
    /// s
    Catalog,
    /// s
    Answer,
}
/// s
pub struct Closing {
    /// s
    pub catalog_changes: u32,
    /// s
    pub vtoc_looks: u32,
    /// s
    pub checkpoints: u32,
}
/// s
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// s
    Converging,
    /// s
    AtDistance,
    /// s
    Unknown,
}
/// s
#[derive(Clone, Copy)]
pub struct Window {
    /// s
    pub low: Duration,
    /// s
    pub likely: Duration,
    /// s
    pub high: Duration,
}
/// s
pub struct Estimate {
    /// s
    pub copy_rate: Option<f64>,
    /// s
    pub change_rate: Option<f64>,
    /// s
    pub left_tracks: u64,
    /// s
    pub window: Option<Window>,
    /// s
    pub answer: Option<Duration>,
    /// s
    pub verdict: Verdict,
}
impl std::fmt::Display for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "estimate")
    }
}
impl Estimator {
    /// s
    pub fn new() -> Self {
        Self::default()
    }
    /// s
    pub fn stepped(&mut self, s: &StepMeasure) {
        self.last = Some((s.ended, s.left_after));
    }
    /// s
    pub fn observed(&mut self, at: Duration, left: u64) {
        self.last = Some((at, left));
    }
    /// s
    pub fn did(&mut self, _w: Work, _t: Duration) {}
    /// s
    pub fn estimate(&self, left: u64, _c: &Closing) -> Estimate {
        let l = Duration::from_micros(left * 50);
        Estimate {
            copy_rate: None,
            change_rate: None,
            left_tracks: left,
            window: Some(Window { low: l, likely: l, high: l }),
            answer: None,
            verdict: Verdict::Unknown,
        }
    }
}
