/** What a probe's history says. */
export interface ProbeState {
  /** What counts. Before a startup probe has decided, nothing does. */
  readonly result: 'unknown' | 'success' | 'failure';
  /** The last answer, and how many like it came in a row. */
  readonly last: 'success' | 'failure' | undefined;
  readonly run: number;
}

export interface ProbeThresholds {
  readonly successThreshold: number;
  readonly failureThreshold: number;
}

export function initialProbeState(result: ProbeState['result']): ProbeState {
  return { result, last: undefined, run: 0 };
}

/** Pure: the state after one more answer, which counts once as many came in a row as the threshold says. */
export function observeProbe(state: ProbeState, succeeded: boolean, thresholds: ProbeThresholds): ProbeState {
  const last = succeeded ? 'success' : 'failure';
  const run = state.last === last ? state.run + 1 : 1;
  const needed = succeeded ? thresholds.successThreshold : thresholds.failureThreshold;
  return { result: run >= needed ? last : state.result, last, run };
}
