import { join } from 'node:path';
import { requireControl } from '../lab/control/client.ts';
import { labPath } from './cluster.ts';
import { printResult } from './terminal.ts';

/** `podnet kubeconfig`. */
export async function kubeconfig(name: string): Promise<void> {
  const control = await requireControl(name);
  const { runtimeDirectory } = await control.call('info', {});
  printResult(labPath(control, join(runtimeDirectory, 'kubeconfig')));
  control.close();
}
