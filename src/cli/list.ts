import { runningClusters } from '../lab/control/client.ts';
import { withCluster } from './cluster.ts';
import { printData } from './data.ts';
import { note, printResult, table } from './terminal.ts';

/** `podnet list`. */
export async function list({ output }: { output?: 'json' | 'yaml' }): Promise<void> {
  const clusters: { name: string; server: string; nodes: number; kubeconfig: string }[] = [];
  for (const name of runningClusters()) {
    clusters.push(
      await withCluster(name, async ({ info, kubeconfig }) => ({
        name,
        server: info.server,
        nodes: info.namespaces.filter(({ kind }) => kind === 'node').length,
        kubeconfig,
      })),
    );
  }
  if (printData(clusters, output)) return;
  if (clusters.length === 0) note('No cluster is running. Start one with: ./podnet up');
  else {
    const rows = clusters.map(({ name, nodes, server, kubeconfig }) => [
      name,
      String(nodes),
      server,
      kubeconfig,
    ]);
    printResult(table([['NAME', 'NODES', 'SERVER', 'KUBECONFIG'], ...rows]));
  }
}
