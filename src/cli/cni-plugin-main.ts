/** Where the launcher goes for `podnet cni-plugin NAME`: the whole command line would cost a third more time. */
import { PodnetError } from '../model/errors.ts';
import { cniPlugin } from './cni-plugin.ts';

try {
  await cniPlugin(process.argv[3] ?? '');
} catch (error) {
  if (!(error instanceof PodnetError)) throw error;
  process.stderr.write(`error: ${error.message}\n  fix:   ${error.fix}\n`);
  process.exitCode = 2;
}
