import type { ServerPlan } from '../corefile/plan.ts';
import { BlockMetrics, type Seen } from './block-metrics.ts';
import type { Metric } from './exposition.ts';
import type { DnsLook } from './look.ts';
import { type ClientName, logLine } from './query-log.ts';

/** What is seen of a server block's questions and answers. */
export interface BlockObserver {
  /** Undefined when nobody wants to know. */
  readonly see: ((seen: Seen) => void) | undefined;
  metrics(): readonly Metric[];
}

export interface ObserverOptions {
  readonly nameOf: ClientName;
  readonly log: (line: string) => void;
  /** People who look on. */
  readonly look?: Pick<DnsLook, 'see'>;
}

export function observeBlock(plan: ServerPlan, { nameOf, log, look }: ObserverOptions): BlockObserver {
  const metrics = plan.prometheus && new BlockMetrics(plan);
  const rules = plan.log;
  const isSeen = metrics !== undefined || rules.length > 0;
  const see = (seen: Seen): void => {
    metrics?.count(seen);
    look?.see?.(seen);
    if (rules.length === 0) return;
    const line = logLine(rules, seen, nameOf);
    if (line !== undefined) log(line);
  };
  return {
    get see() {
      return isSeen || look?.see !== undefined ? see : undefined;
    },
    metrics: () => metrics?.metrics() ?? [],
  };
}

/** Metrics of several blocks: one for each name, with the samples of all. */
export function mergeMetrics(all: readonly Metric[]): readonly Metric[] {
  return [...Map.groupBy(all, ({ name }) => name).values()].flatMap((same) => {
    const [first] = same;
    return first === undefined
      ? []
      : [{ ...first, samples: same.flatMap(({ samples }): unknown[] => [...samples]) as Metric['samples'] }];
  });
}
