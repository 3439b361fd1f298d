/** A running cluster, as the command line reaches it. */
import { join } from 'node:path';
import { Client } from '../cluster/client.ts';
import { createHttpsTransport } from '../cluster/https-transport.ts';
import { loadKubeconfig } from '../cluster/kubeconfig.ts';
import { withControl, type ControlClient } from '../lab/control/client.ts';
import type { LabInfo } from '../lab/control/protocol.ts';

export interface RunningCluster {
  readonly control: ControlClient;
  readonly info: LabInfo;
  readonly client: Client;
  /** The kubeconfig's path from here: it lives in the lab's own /run and vanishes with it. */
  readonly kubeconfig: string;
  close(): void;
}

/** A file of the lab, by the path this process can open it. */
export function labPath(control: ControlClient, path: string): string {
  return join(`/proc/${control.pid}/root`, path);
}

export async function openCluster(control: ControlClient): Promise<RunningCluster> {
  const info = await control.call('info', {});
  const kubeconfig = labPath(control, join(info.runtimeDirectory, 'kubeconfig'));
  const transport = createHttpsTransport(loadKubeconfig(kubeconfig));
  return {
    control,
    info,
    kubeconfig,
    client: new Client(transport),
    close() {
      transport.close();
      control.close();
    },
  };
}

/** Runs `use` with a running cluster, and lets go of it afterwards. */
export async function withCluster<T>(name: string, use: (cluster: RunningCluster) => Promise<T>): Promise<T> {
  return withControl(name, async (control) => {
    const cluster = await openCluster(control);
    try {
      return await use(cluster);
    } finally {
      cluster.close();
    }
  });
}
