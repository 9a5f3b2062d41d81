/**
 * A module that is loaded before a program: the time of day jumps by days, forwards and back, and the
 * monotonic clock forwards by hours, as after a sleep.
 */
const [HOUR, DAY] = [3_600_000, 86_400_000];
const [now, elapsed] = [Date.now.bind(Date), performance.now.bind(performance)];
let [calls, slept] = [0, 0];

Date.now = () => now() + DAY * [0, 400, -400, 3, -20_000][calls++ % 5]!;
performance.now = () => {
  if (++calls % 40 === 0) slept += HOUR;
  return elapsed() + slept;
};
