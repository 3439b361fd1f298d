import { IP_PROTOCOL } from '../kernel/conntrack/conntrack-entry.ts';
import type { Conntrack } from '../kernel/conntrack/conntrack.ts';
import { errorMessage } from '../model/errors.ts';
import {
  type FlowRules,
  flowRulesOfChange,
  flowRulesOfPlan,
  mergeFlowRules,
  staleFlows,
} from './conntrack-cleaning.ts';
import type { ServicePlan } from './plan.ts';
import type { PlanFollower } from './plan-follower.ts';

export interface ConntrackCleanerOptions {
  readonly conntrack: Conntrack;
  readonly log?: (level: 'info' | 'warning' | 'error', message: string) => void;
  /** Told how many flows were forgotten, and in what time. */
  readonly onCleaned?: (result: { readonly forgotten: number; readonly elapsedMs: number }) => void;
}

/** Of its own time, reading the kernel's flows may take this part at most, however many changes come. */
const SHARE = 0.1;
const RETRY_MS = 1000;

/**
 * Has the kernel forget UDP flows that lead where no endpoint is any more. One reading of the flows serves all the
 * changes that came since the last; changes that concern no UDP port cost nothing.
 */
export function createConntrackCleaner(options: ConntrackCleanerOptions): PlanFollower {
  const { conntrack, log = () => undefined, onCleaned = () => undefined } = options;
  let rules: FlowRules = new Map();
  let plan: ServicePlan | undefined;
  let timer: NodeJS.Timeout | undefined;
  let notBeforeMs = 0;
  let failing = false;

  function clean(): void {
    timer = undefined;
    if (plan === undefined || rules.size === 0) return;
    const start = performance.now();
    try {
      const stale = staleFlows(conntrack.list({ protocol: IP_PROTOCOL.udp }), rules, plan);
      const forgotten = stale.length === 0 ? 0 : conntrack.delete(stale);
      rules = new Map();
      failing = false;
      const elapsedMs = performance.now() - start;
      notBeforeMs = performance.now() + elapsedMs / SHARE;
      onCleaned({ forgotten, elapsedMs });
    } catch (error) {
      if (!failing) log('error', `services: UDP flows to endpoints that are gone: ${errorMessage(error)}`);
      failing = true;
      notBeforeMs = performance.now() + RETRY_MS;
      schedule();
    }
  }

  function schedule(): void {
    if (timer !== undefined || rules.size === 0) return;
    const waitMs = notBeforeMs - performance.now();
    if (waitMs <= 0) return clean();
    timer = setTimeout(clean, waitMs);
    timer.unref();
  }

  return {
    planned(now) {
      plan = now;
      rules = mergeFlowRules(rules, flowRulesOfPlan(now));
      schedule();
    },
    changed(change, now) {
      plan = now;
      rules = mergeFlowRules(rules, flowRulesOfChange(change));
      schedule();
    },
    stop() {
      clearTimeout(timer);
      rules = new Map();
    },
  };
}
