//! Says when a target has had its time.

use std::time::Duration;

/// Wall-clock time between two looks at the CPU time, which costs as much as many a quick execution.
const LOOK: Duration = Duration::from_millis(20);

/// Wall-clock time, and CPU time where that is asked for and known.
#[derive(Debug, Clone)]
pub struct Budget {
    time: Duration,
    cpu: Option<Duration>,
    look: Duration,
}

impl Budget {
    /// Spent after `time` by the clock or `cpu` of CPU time, whichever comes first.
    pub const fn new(time: Duration, cpu: Option<Duration>) -> Self {
        Self {
            time,
            cpu,
            look: Duration::ZERO,
        }
    }

    /// Ask after each execution: `elapsed` by the clock since the start, `used` the CPU seconds since then. It is spent
    /// at most one execution and 20 ms late, however long executions take.
    pub fn is_spent(&mut self, elapsed: Duration, used: impl FnOnce() -> Option<f64>) -> bool {
        if elapsed >= self.time {
            return true;
        }
        let Some(limit) = self.cpu.filter(|_| elapsed >= self.look) else {
            return false;
        };
        self.look = elapsed + LOOK;
        used().is_some_and(|used| used >= limit.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Executions until the budget is spent and how often the CPU time was asked for, where each execution takes this
    /// long and `share` of it is CPU time.
    fn executions(budget: &mut Budget, each: Duration, share: f64) -> (u32, u32) {
        let (mut done, mut asked) = (0, 0);
        loop {
            let elapsed = each * done;
            let used = || {
                asked += 1;
                Some(elapsed.as_secs_f64() * share)
            };
            if budget.is_spent(elapsed, used) {
                return (done, asked);
            }
            done += 1;
        }
    }

    #[test]
    fn slow_executions_end_with_their_cpu_time() {
        let mut budget = Budget::new(Duration::from_hours(1), Some(Duration::from_secs(1)));
        let (done, _) = executions(&mut budget, Duration::from_millis(300), 1.0);
        assert_eq!(done, 4, "the fourth ends after 1.2 s");
        let mut budget = Budget::new(Duration::from_hours(1), Some(Duration::from_secs(1)));
        let (done, _) = executions(&mut budget, Duration::from_millis(300), 0.25);
        assert_eq!(done, 14, "a busy machine gives a quarter: 13.3 executions");
    }

    #[test]
    fn quick_executions_do_not_pay_for_the_clock() {
        let mut budget = Budget::new(Duration::from_hours(1), Some(Duration::from_secs(1)));
        let (done, asked) = executions(&mut budget, Duration::from_micros(10), 1.0);
        assert!((100_000..=102_000).contains(&done), "{done}");
        assert!(asked <= 60, "{asked}");
    }

    #[test]
    fn the_wall_clock_ends_it_too() {
        let mut budget = Budget::new(Duration::from_secs(2), Some(Duration::from_hours(1)));
        assert_eq!(executions(&mut budget, Duration::from_secs(1), 0.1).0, 2);
        let mut budget = Budget::new(Duration::from_secs(2), None);
        assert_eq!(executions(&mut budget, Duration::from_secs(1), 1.0), (2, 0));
        let mut unknown = Budget::new(Duration::from_secs(2), Some(Duration::from_secs(1)));
        assert!(!unknown.is_spent(Duration::from_millis(1500), || None));
    }
}
