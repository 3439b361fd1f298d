import type { Clock } from '../../../cluster/clock.ts';
import type { Probe } from '../../../model/objects.ts';
import { askProbe, type ProbeTarget } from './handler.ts';
import { startProber, type Prober, type ProberOptions } from './prober.ts';

export interface ProbeVerdicts {
  /** The startup probe has passed, or there is none. */
  onStarted(isReady: boolean): void;
  onReady(isReady: boolean): void;
  /** The container is to be restarted. */
  onUnhealthy(probe: Probe, kind: 'startup' | 'liveness'): void;
  /** One answer was no success. */
  onFailure(message: string): void;
}

/** The probes of one container: the startup probe first, then readiness and liveness side by side. */
export class ContainerProbes {
  readonly #clock: Clock;
  #probers: Prober[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start(target: ProbeTarget, startedAtMs: number, verdicts: ProbeVerdicts): void {
    const { startupProbe } = target.container;
    if (!startupProbe) return this.#watch(target, startedAtMs, verdicts);
    this.#probe(target, startupProbe, {
      startedAtMs,
      initially: 'unknown',
      onFailure: (message) => verdicts.onFailure(`Startup probe failed: ${message}`),
      onChange: (isHealthy) => {
        if (!isHealthy) return verdicts.onUnhealthy(startupProbe, 'startup');
        this.stop();
        this.#watch(target, startedAtMs, verdicts);
      },
    });
  }

  #watch(target: ProbeTarget, startedAtMs: number, verdicts: ProbeVerdicts): void {
    const { readinessProbe, livenessProbe } = target.container;
    verdicts.onStarted(readinessProbe === undefined);
    if (readinessProbe)
      this.#probe(target, readinessProbe, {
        startedAtMs,
        initially: 'failure',
        onFailure: (message) => verdicts.onFailure(`Readiness probe failed: ${message}`),
        onChange: (isReady) => verdicts.onReady(isReady),
      });
    if (livenessProbe)
      this.#probe(target, livenessProbe, {
        startedAtMs,
        initially: 'success',
        onFailure: (message) => verdicts.onFailure(`Liveness probe failed: ${message}`),
        onChange: (isHealthy) => {
          if (!isHealthy) verdicts.onUnhealthy(livenessProbe, 'liveness');
        },
      });
  }

  #probe(target: ProbeTarget, probe: Probe, options: Omit<ProberOptions, 'probe' | 'clock' | 'ask'>): void {
    const ask: ProberOptions['ask'] = (timeoutMs) => askProbe(probe, target, timeoutMs);
    this.#probers.push(startProber({ ...options, probe, clock: this.#clock, ask }));
  }

  stop(): void {
    for (const prober of this.#probers.splice(0)) prober.stop();
  }
}
