import type { ErrorsPlan } from '../corefile/plan.ts';

/** Tells of errors as the plugin `errors` has it: each, but those that match a pattern only by their number. */
export interface ErrorLog {
  report(message: string): void;
  close(): void;
}

export function createErrorLog({ consolidate }: ErrorsPlan, write: (message: string) => void): ErrorLog {
  const counts = consolidate.map(({ everyMs, pattern }) => ({
    everyMs,
    pattern,
    count: 0,
    timer: undefined as NodeJS.Timeout | undefined,
  }));
  return {
    report(message) {
      const group = counts.find(({ pattern }) => pattern.test(message));
      if (group === undefined) {
        write(message);
        return;
      }
      group.count += 1;
      group.timer ??= setTimeout(() => {
        write(
          `${group.count} errors like '${group.pattern.source}' occurred in the last ${group.everyMs / 1000}s`,
        );
        group.count = 0;
        group.timer = undefined;
      }, group.everyMs).unref();
    },
    close() {
      for (const { timer } of counts) clearTimeout(timer);
    },
  };
}
