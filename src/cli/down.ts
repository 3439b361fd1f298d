import { runningClusters, withControl } from '../lab/control/client.ts';
import { note } from './terminal.ts';

async function end(name: string): Promise<void> {
  await withControl(name, async (control) => {
    await control.call('stop', {});
    await control.closed;
  });
  note(`Cluster ${name} is down; nothing is left.`);
}

/** `podnet down`. */
export async function down({ name, all = false }: { name: string; all?: boolean }): Promise<void> {
  const names = all ? runningClusters() : [name];
  if (names.length === 0) note('No cluster is running.');
  for (const one of names) await end(one);
}
