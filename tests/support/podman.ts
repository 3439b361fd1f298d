/** Debian's podman with its CNI network backend, on a ground of its own. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../../src/kernel/process.ts';
import { type Ground, whyNoGround } from './ground.ts';
import { whyNoImage, writeBusyboxImage } from './oci-image.ts';

export const IMAGE = 'podnet.test/busybox:1';

/** Why podman cannot run here, or undefined when it can. */
export function whyNoPodman(): string | undefined {
  const missing = ['podman', 'conmon', 'crun'].find((name) => findProgram(name) === undefined);
  return missing === undefined ? (whyNoImage() ?? whyNoGround()) : `${missing} is not installed`;
}

const config = (
  root: string,
  { network, pluginDirectory }: { network: string; pluginDirectory: string },
): string => `
[containers]
cgroups = "disabled"
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "crun"
[network]
network_backend = "cni"
cni_plugin_dirs = ["${pluginDirectory}"]
network_config_dir = "${root}/net.d"
default_network = "${network}"
`;

export type Podman = (...args: readonly string[]) => Promise<string>;

/** A podman with one network and the test's image; call it with podman's own arguments. */
export async function preparePodman(
  ground: Ground,
  { conflist, pluginDirectory }: { conflist: { readonly name: string }; pluginDirectory: string },
): Promise<Podman> {
  const root = join(ground.directory, 'podman');
  for (const name of ['net.d', 'run', '.config/containers']) mkdirSync(join(root, name), { recursive: true });
  const write = (name: string, text: string): void => writeFileSync(join(root, name), text);
  write(`net.d/10-${conflist.name}.conflist`, JSON.stringify(conflist));
  write('containers.conf', config(root, { network: conflist.name, pluginDirectory }));
  write(
    'storage.conf',
    `[storage]\ndriver = "vfs"\nrunroot = "${root}/runroot"\ngraphroot = "${root}/root"\n`,
  );
  write('.config/containers/policy.json', '{"default": [{"type": "insecureAcceptAnything"}]}');
  writeBusyboxImage(join(root, 'image.tar'), IMAGE);
  const env = {
    HOME: root,
    XDG_RUNTIME_DIR: join(root, 'run'),
    CONTAINERS_CONF: join(root, 'containers.conf'),
    CONTAINERS_STORAGE_CONF: join(root, 'storage.conf'),
  };
  const podman: Podman = (...args) => ground.run('podman', ['--tmpdir', join(root, 'tmp'), ...args], { env });
  await podman('load', '--input', join(root, 'image.tar'));
  return podman;
}
