/**
 * Calls `run` for 0…`count`-1, in batches of 1, 2, 4, …: when the first calls fail (a quota, a webhook), the others
 * are not even tried. Returns how many succeeded and the first error.
 */
export async function slowStart(
  count: number,
  run: (index: number) => Promise<void>,
): Promise<{ succeeded: number; error?: unknown }> {
  let started = 0;
  let succeeded = 0;
  for (let batch = 1; started < count; batch *= 2) {
    const size = Math.min(batch, count - started);
    const first = started;
    const results = await Promise.allSettled(Array.from({ length: size }, (_, index) => run(first + index)));
    started += size;
    const failed = results.find((result) => result.status === 'rejected');
    succeeded += results.filter(({ status }) => status === 'fulfilled').length;
    if (failed) return { succeeded, error: failed.reason };
  }
  return { succeeded };
}
