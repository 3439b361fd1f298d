/** Debian's containerd with its CRI plugin, on a ground of its own. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../../src/kernel/process.ts';
import { type Cri, connectCri } from './cri.ts';
import { type Ground, until, whyNoGround } from './ground.ts';
import { whyNoImage, writeBusyboxImage } from './oci-image.ts';

export const IMAGE = 'podnet.test/busybox:1';

/** Why containerd cannot run here, or undefined when it can. */
export function whyNoContainerd(): string | undefined {
  const missing = ['containerd', 'ctr', 'runc'].find((name) => findProgram(name) === undefined);
  return missing === undefined ? (whyNoImage() ?? whyNoGround()) : `${missing} is not installed`;
}

const config = (root: string, pluginDirectory: string): string => `
version = 2
root = "${root}/root"
state = "${root}/state"
[grpc]
  address = "${root}/containerd.sock"
[ttrpc]
  address = "${root}/containerd.sock.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${IMAGE}"
  # Of a machine whose cgroups, AppArmor and oom scores are not ours to set.
  disable_cgroup = true
  disable_apparmor = true
  restrict_oom_score_adj = true
  disable_tcp_service = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${pluginDirectory}"
    conf_dir = "${root}/net.d"
    max_conf_num = 1
`;

/** Starts containerd with one network, and waits until it and its network are ready. */
export async function startContainerd(
  ground: Ground,
  { conflist, pluginDirectory }: { conflist: object; pluginDirectory: string },
): Promise<Cri> {
  const root = join(ground.directory, 'containerd');
  const socket = join(root, 'containerd.sock');
  mkdirSync(join(root, 'net.d'), { recursive: true });
  writeFileSync(join(root, 'net.d/10-test.conflist'), JSON.stringify(conflist));
  writeFileSync(join(root, 'config.toml'), config(root, pluginDirectory));
  writeBusyboxImage(join(root, 'image.tar'), IMAGE);
  ground.start('containerd', 'containerd', ['--config', join(root, 'config.toml')]);
  await until('containerd listens', () => existsSync(socket));
  await ground.run('ctr', ['-a', socket, '-n', 'k8s.io', 'images', 'import', join(root, 'image.tar')]);
  const cri = connectCri(socket, root);
  let unmet: string[] = [];
  await until('containerd is ready', async () => {
    unmet = [...(await cri.conditions())]
      .filter(([, message]) => message !== '')
      .map(([, message]) => message);
    return unmet.length === 0;
  }).catch((error: unknown) => {
    cri.close();
    throw new Error(`${String(error)}: ${unmet.join('; ')}\n${ground.log('containerd')}`);
  });
  return cri;
}
