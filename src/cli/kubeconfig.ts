import { join } from 'node:path';
import { withControl } from '../lab/control/client.ts';
import { labPath } from './cluster.ts';
import { printResult } from './terminal.ts';

/** `podnet kubeconfig`. */
export async function kubeconfig(name: string): Promise<void> {
  await withControl(name, async (control) => {
    const { runtimeDirectory } = await control.call('info', {});
    printResult(labPath(control, join(runtimeDirectory, 'kubeconfig')));
  });
}
