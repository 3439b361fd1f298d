import { withCluster } from './cluster.ts';
import { printData } from './data.ts';
import { printSummary, summarize } from './summary.ts';
import { duration, printResult } from './terminal.ts';

/** `podnet status`. */
export async function status({ name, output }: { name: string; output?: 'json' | 'yaml' }): Promise<void> {
  await withCluster(name, async ({ client, info, kubeconfig }) => {
    const { server, startedAt, clusterCidrs, serviceCidrs, clusterDomain } = info;
    const summary = await summarize(client);
    const cluster = { name, server, kubeconfig, startedAt, clusterCidrs, serviceCidrs, clusterDomain };
    if (printData({ cluster, ...summary }, output)) return;
    const age = duration(Date.now() - Date.parse(startedAt));
    printResult(`Cluster ${name}, up for ${age}, API server ${server}\n\n${printSummary(summary)}\n`);
    printResult(`export KUBECONFIG=${kubeconfig}`);
  });
}
