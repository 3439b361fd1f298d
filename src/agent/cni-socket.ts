import { untilAborted } from '../cluster/clock.ts';
import type { AgentNetwork } from '../cni/plugins/podnet/network.ts';
import type { CniServer } from '../cni/server/server.ts';
import { errorMessage } from '../model/errors.ts';
import type { AgentLog } from './agent.ts';

export interface CniSocketOptions {
  /** Where container runtimes' calls are answered. */
  readonly socketPath: string;
  /** Where the forwarder leaves DELs while no agent answers. */
  readonly spoolDirectory: string;
  /** What the plugin `podnet` connects pods to. */
  readonly network: AgentNetwork;
  readonly log: AgentLog;
}

/**
 * Answers container runtimes until the signal aborts: `podnet` from the agent's own network, the other plugins as they
 * are. Their code is loaded when the first runtime calls, which may be never.
 */
export async function runCniSocket(
  { socketPath, spoolDirectory, network, log }: CniSocketOptions,
  signal: AbortSignal,
): Promise<void> {
  let server: CniServer;
  try {
    const { startCniServer } = await import('../cni/server/server.ts');
    server = await startCniServer({
      socketPath,
      spoolDirectory,
      findPlugin: async (name) => {
        if (name !== 'podnet') return (await import('../cni/plugins/registry.ts')).pluginNamed(name);
        const { createPodnetPlugin } = await import('../cni/plugins/podnet/plugin.ts');
        return createPodnetPlugin(network);
      },
      log: (line) => log('info', `CNI: ${line}`),
    });
  } catch (error) {
    log('error', `CNI: container runtimes are not answered: ${errorMessage(error)}`);
    return;
  }
  await untilAborted(signal);
  await server.close();
}
