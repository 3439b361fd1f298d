/**
 * `run.ts [--backend NAME] [--drop-ms MS]`: the suite against one backend, or all; prints a table each. Status 1 when
 * something is not as expected, 2 when the backend cannot be had. Without root, it makes namespaces for itself.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { backendNames } from '../../../src/services/backends/switching.ts';
import { namespaced } from '../../../tools/namespaced.ts';
import { backendsUnderTest, tryOpen } from './backends.ts';
import { startNetwork } from './network.ts';
import { printTable, runSuite } from './suite.ts';

const { values } = parseArgs({
  options: { backend: { type: 'string' }, 'drop-ms': { type: 'string', default: '300' } },
});
const names = backendNames.filter((name) => values.backend === undefined || name === values.backend);
if (names.length === 0) {
  process.stderr.write(`No backend is named ${values.backend}: there are ${backendNames.join(', ')}\n`);
  process.exit(2);
}

if (process.getuid?.() !== 0) {
  const [program = '', ...command] = namespaced([process.execPath, ...process.argv.slice(1)]);
  process.exit(spawnSync(program, command, { stdio: 'inherit' }).status ?? 1);
}

let status = 0;
for (const name of names) {
  const network = await startNetwork();
  const opened = tryOpen(name, network.netns);
  if (typeof opened === 'string') {
    process.stdout.write(`${name}: skipped, ${opened}\n`);
    if (values.backend !== undefined) status = 2;
  } else {
    const { skip } = backendsUnderTest[name];
    const rows = await runSuite(network, opened.backend, {
      dropMs: Number(values['drop-ms']),
      ...(skip && { skip }),
    });
    process.stdout.write(printTable(name, rows));
    if (rows.some(({ failure }) => failure !== undefined)) status = 1;
    opened.backend.cleanup();
    opened.close();
  }
  network.close();
}
process.exit(status);
