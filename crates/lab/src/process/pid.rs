//! A PID controller as controllers on the floor run it: clamped output, no wind-up.

#[derive(Clone, Debug)]
pub struct Pid {
    gain: f64,
    /// Integral time, seconds.
    integral_s: f64,
    range: (f64, f64),
    integral: f64,
}

impl Pid {
    /// `start` is the output to begin with.
    pub fn new(gain: f64, integral_s: f64, range: (f64, f64), start: f64) -> Self {
        Pid { gain, integral_s, range, integral: start }
    }

    /// Output for this error (set point minus value, or the reverse for cooling).
    pub fn step(&mut self, error: f64, dt: f64) -> f64 {
        let (low, high) = self.range;
        self.integral = (self.integral + self.gain * error * dt / self.integral_s).clamp(low, high);
        (self.integral + self.gain * error).clamp(low, high)
    }
}

/// First-order lag: `value` moves towards `target` with time constant `tau_s`.
pub fn lag(value: f64, target: f64, tau_s: f64, dt: f64) -> f64 {
    value + (target - value) * (1.0 - (-dt / tau_s).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_order_process_settles_on_its_set_point_without_offset() {
        let mut pid = Pid::new(2.0, 20.0, (0.0, 100.0), 0.0);
        let mut value = 10.0;
        for _ in 0..6_000 {
            let output = pid.step(60.0 - value, 0.1);
            value = lag(value, output, 30.0, 0.1);
        }
        assert!((value - 60.0).abs() < 0.1, "{value}");
    }
}
