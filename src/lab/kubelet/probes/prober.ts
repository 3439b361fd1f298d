import type { Clock } from '../../../cluster/clock.ts';
import type { Probe } from '../../../model/objects.ts';
import { initialProbeState, observeProbe, type ProbeState } from './probe-state.ts';

export interface ProbeOutcome {
  readonly succeeded: boolean;
  /** Why not, in the words of an Event: `HTTP probe failed with statuscode: 500`. */
  readonly message: string;
}

export interface ProberOptions {
  readonly probe: Probe;
  /** What counts before the first answers. */
  readonly initially: ProbeState['result'];
  /** Of the container, milliseconds since 1970: `initialDelaySeconds` counts from here. */
  readonly startedAtMs: number;
  readonly clock: Clock;
  /** Asks once, within `timeoutMs`. */
  readonly ask: (timeoutMs: number) => Promise<ProbeOutcome>;
  /** What counts has changed. */
  readonly onChange: (healthy: boolean) => void;
  /** One answer was no success. */
  readonly onFailure: (message: string) => void;
}

export interface Prober {
  stop(): void;
}

/** Asks again and again until stopped; one question at a time. */
export function startProber(options: ProberOptions): Prober {
  const { probe, clock, ask, onChange, onFailure, initially, startedAtMs } = options;
  const {
    periodSeconds = 10,
    timeoutSeconds = 1,
    initialDelaySeconds = 0,
    successThreshold = 1,
    failureThreshold = 3,
  } = probe;
  let state = initialProbeState(initially);
  let stopped = false;
  let cancel = (): void => {};

  async function round(): Promise<void> {
    const beganMs = clock.now();
    const { succeeded, message } = await ask(Math.max(timeoutSeconds, 1) * 1000);
    if (stopped) return;
    const before = state.result;
    state = observeProbe(state, succeeded, { successThreshold, failureThreshold });
    if (!succeeded) onFailure(message);
    if (state.result !== before) onChange(state.result === 'success');
    if (!stopped) schedule(beganMs + Math.max(periodSeconds, 1) * 1000 - clock.now());
  }

  function schedule(delayMs: number): void {
    cancel = clock.after(Math.max(delayMs, 0), () => void round());
  }

  schedule(startedAtMs + initialDelaySeconds * 1000 - clock.now());
  return {
    stop() {
      stopped = true;
      cancel();
    },
  };
}
