import type { AnswerCache } from '../outside/cache.ts';
import type { UpstreamHealth } from '../outside/forward.ts';
import type { Metric } from './exposition.ts';

/** What is known of a block's cache and upstreams, under the names that CoreDNS gives it. */
export function outsideMetrics(
  cache: AnswerCache | undefined,
  health: readonly UpstreamHealth[],
  port: number,
): readonly Metric[] {
  const server = `dns://:${port}`;
  const metric = (
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    samples: Metric['samples'],
  ): Metric => ({
    name: `coredns_${name}`,
    help,
    type,
    samples,
  });
  const upstreams = metric(
    'proxy_healthcheck_failures_total',
    'gauge',
    'Questions and probes in a row that an upstream did not answer.',
    health.map(({ upstream, failures }) => ({
      labels: { proxy_name: 'forward', to: upstream },
      value: failures,
    })),
  );
  if (cache === undefined) return [upstreams];
  const { entries, evictions, hits, misses, stale, prefetches } = cache.statistics;
  const labels = { server, view: '', zones: '.' };
  const of = (type: string): typeof labels & { type: string } => ({ ...labels, type });
  return [
    upstreams,
    metric('cache_entries', 'gauge', 'Answers that are kept.', [
      { labels: of('success'), value: entries.found },
      { labels: of('denial'), value: entries.denied + entries.failed },
    ]),
    metric('cache_hits_total', 'counter', 'Questions answered from the cache.', [
      { labels: of('success'), value: hits.found },
      { labels: of('denial'), value: hits.denied + hits.failed },
    ]),
    metric('cache_misses_total', 'counter', 'Questions that had to be asked.', [{ labels, value: misses }]),
    metric('cache_requests_total', 'counter', 'Questions to the cache.', [
      { labels, value: misses + hits.found + hits.denied + hits.failed },
    ]),
    metric('cache_served_stale_total', 'counter', 'Answers given past their end.', [
      { labels, value: stale },
    ]),
    metric('cache_prefetch_total', 'counter', 'Answers renewed before their end.', [
      { labels, value: prefetches },
    ]),
    metric('cache_evictions_total', 'counter', 'Answers that gave way.', [
      { labels: of('success'), value: evictions },
    ]),
  ];
}
