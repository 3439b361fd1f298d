/** Our plugins on a ground, as `podnet cni install` and `podnet cni serve` set them up on a machine without a cluster. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Ground, until } from './ground.ts';

const podnet = resolve(import.meta.dirname, '../../podnet');

/** @param args more for `podnet cni serve`. Returns the directory of the plugins. */
export async function installCni(ground: Ground, args: readonly string[] = []): Promise<string> {
  const directory = join(ground.directory, 'cni-bin');
  const socket = join(ground.directory, 'cni.sock');
  await ground.run(podnet, ['cni', 'install', '--dir', directory, '--socket', socket]);
  const server = ground.start('cni-server', podnet, ['cni', 'serve', '--socket', socket, ...args]);
  await until('the CNI server listens', () => {
    if (server.exitCode !== null) throw new Error(`podnet cni serve: ${ground.log('cni-server')}`);
    return existsSync(socket);
  });
  return directory;
}
