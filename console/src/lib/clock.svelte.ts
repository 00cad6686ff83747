// One clock for all relative times on the page: it moves every few seconds, not for each by itself.
class Clock {
  now = $state(Date.now());
  constructor() {
    setInterval(() => (this.now = Date.now()), 5_000);
  }
}
export const clock = new Clock();
