import { labOptions, type LabSettings } from '../lab/options.ts';
import { launchLab } from '../lab/process/launch.ts';

export interface UpOptions extends LabSettings {
  readonly filename?: readonly string[];
  readonly detach?: boolean;
  readonly config?: string;
  /** Seconds to wait for every pod. */
  readonly timeout: number;
}

/** `podnet up`. Resolves with the exit code. */
export async function up(settings: UpOptions): Promise<number> {
  const { filename = [], detach = false, config, timeout, ...flags } = settings;
  const startedMs = performance.now();
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => interrupted.abort());
  const file = config === undefined ? {} : (await import('./settings.ts')).readSettings(config);
  const options = labOptions({ ...file, ...flags });
  const launching = launchLab(options, { owned: !detach });
  launching.catch(() => undefined); // `bringUp` awaits it.
  // The rest of this command is loaded while the lab starts.
  const { bringUp } = await import('./bring-up.ts');
  return bringUp(launching, {
    name: options.name,
    nodes: options.nodes,
    filename,
    detach,
    timeoutMs: timeout * 1000,
    startedMs,
    interrupted: interrupted.signal,
  });
}
