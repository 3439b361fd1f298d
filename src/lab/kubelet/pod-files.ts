import { chmodSync, existsSync, mkdirSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { posix } from 'node:path';
import { hostsFile } from '../../dns/pod-hosts-file.ts';
import { resolvConf } from '../../dns/pod-resolv-conf.ts';
import { PodnetError } from '../../model/errors.ts';
import type { Client } from '../../cluster/client.ts';
import { serviceAccounts } from '../../cluster/resources.ts';
import type { ConfigMap, Container, KubeObject, Pod, Secret } from '../../model/objects.ts';
import type { RootVolume } from '../workloads/isolate/root-plan.ts';
import type { PodFacts } from './downward.ts';
import type { ObjectReader } from './object-reader.ts';
import type { PodSandbox } from './sandbox.ts';
import { isProjection, referencesOf, safePath, volumeFiles, type VolumeSources } from './volume-files.ts';
import { writeVolume } from './volume-writer.ts';

type Volume = NonNullable<NonNullable<Pod['spec']>['volumes']>[number];

export interface PodFilesOptions {
  readonly client: Client;
  readonly objects: ObjectReader;
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  readonly nodeResolvConf: string;
  /** Claims outlive pods: `${nodeDirectory}/claims/${namespace}/${name}`. */
  readonly nodeDirectory: string;
  /** Of the lab: no pod sees into it. */
  readonly runtimeDirectory: string;
}

/** What the volumes of a pod need from the API, and what they came to. */
export interface PodFiles {
  /** Throws `PodnetError` when an object that a volume needs is missing. Reads, writes nothing. */
  check(pod: Pod, facts: PodFacts): Promise<void>;
  /** Writes volumes, hosts, resolv.conf and host name. Returns remarks for Events. */
  write(pod: Pod, facts: PodFacts, sandbox: PodSandbox): Promise<readonly string[]>;
  /**
   * Writes anew the volumes that show one of these objects, each `configmaps/NAME` or `secrets/NAME`. Throws
   * `PodnetError` when something they need is missing now; what was there stays.
   */
  refresh(pod: Pod, facts: PodFacts, sandbox: PodSandbox, changed: ReadonlySet<string>): Promise<void>;
  /** What to bind into a container. Throws `PodnetError` for a mount that names no volume. */
  mounts(pod: Pod, container: Container, sandbox: PodSandbox): RootVolume[];
}

interface PodAndFacts {
  readonly pod: Pod;
  readonly facts: PodFacts;
}

export function createPodFiles(options: PodFilesOptions): PodFiles {
  const { objects, client, runtimeDirectory, nodeDirectory } = options;

  async function sourcesOf(
    { pod, facts }: PodAndFacts,
    volumes: readonly Volume[],
    withTokens: boolean,
  ): Promise<VolumeSources> {
    const namespace = pod.metadata?.namespace ?? 'default';
    const names = referencesOf(volumes);
    const [maps, secrets, tokens] = await Promise.all([
      readAll(names.configMaps, (name) => objects.configMap(namespace, name)),
      readAll(names.secrets, (name) => objects.secret(namespace, name)),
      withTokens
        ? readAll(names.audiences, (audience) => requestToken(client, pod, audience))
        : new Map<string, string>(),
    ]);
    return {
      pod,
      facts,
      configMap: (name): ConfigMap | undefined => maps.get(name),
      secret: (name): Secret | undefined => secrets.get(name),
      token: (audience) => tokens.get(audience),
    };
  }

  function directoryOf(volume: Volume, sandbox: PodSandbox, namespace: string): string {
    const claim = volume.persistentVolumeClaim?.claimName;
    if (claim !== undefined) return `${nodeDirectory}/claims/${segment(namespace)}/${segment(claim)}`;
    return hostDirectory(volume, runtimeDirectory) ?? `${sandbox.directory}/volumes/${segment(volume.name)}`;
  }

  return {
    async check(pod, facts) {
      const volumes = (pod.spec?.volumes ?? []).filter((volume) => isProjection(volume));
      if (volumes.length === 0) return;
      const sources = await sourcesOf({ pod, facts }, volumes, false);
      for (const volume of volumes) volumeFiles(volume, sources);
    },
    async write(pod, facts, sandbox) {
      const remarks: string[] = [];
      const etc = `${sandbox.directory}/etc`;
      mkdirSync(etc, { recursive: true, mode: 0o755 });
      const { text, warnings } = resolvConf(pod, options);
      remarks.push(...warnings);
      const hosts = hostsFile(pod, { addresses: facts.podAddresses, clusterDomain: options.clusterDomain });
      writeFileSync(`${etc}/resolv.conf`, text);
      writeFileSync(`${etc}/hosts`, hosts);
      writeFileSync(`${etc}/hostname`, `${sandbox.namespaces.hostname}\n`);
      const sources = await sourcesOf({ pod, facts }, pod.spec?.volumes ?? [], true);
      for (const volume of pod.spec?.volumes ?? []) {
        const directory = directoryOf(volume, sandbox, pod.metadata?.namespace ?? '');
        if (isProjection(volume)) writeVolume(directory, volumeFiles(volume, sources));
        else if (hostDirectory(volume, runtimeDirectory) === undefined) {
          if (!existsSync(directory)) {
            mkdirSync(directory, { recursive: true });
            chmodSync(directory, 0o777);
          }
          const remark = remarkOn(volume);
          if (remark !== undefined) remarks.push(remark);
        }
      }
      return remarks;
    },
    async refresh(pod, facts, sandbox, changed) {
      const volumes = (pod.spec?.volumes ?? []).filter((volume) => {
        const { configMaps, secrets } = referencesOf([volume]);
        return (
          [...configMaps].some((name) => changed.has(`configmaps/${name}`)) ||
          [...secrets].some((name) => changed.has(`secrets/${name}`))
        );
      });
      const sources = await sourcesOf({ pod, facts }, volumes, true);
      for (const volume of volumes) {
        const directory = directoryOf(volume, sandbox, pod.metadata?.namespace ?? '');
        if (existsSync(directory)) writeVolume(directory, volumeFiles(volume, sources));
      }
    },
    mounts(pod, container, sandbox) {
      const etc = ['resolv.conf', 'hosts', 'hostname'].map((name): RootVolume => ({
        source: `${sandbox.directory}/etc/${name}`,
        target: `/etc/${name}`,
        readOnly: false,
        isFile: true,
      }));
      const volumes = new Map((pod.spec?.volumes ?? []).map((volume) => [volume.name, volume]));
      const declared = (container.volumeMounts ?? []).map(
        ({ name, mountPath, subPath, readOnly = false }): RootVolume => {
          const volume = volumes.get(name);
          if (!volume)
            throw new PodnetError(
              `volumeMount ${mountPath} names volume ${JSON.stringify(name)}, which the pod does not have`,
              {
                code: 'config-missing',
                where: `container ${container.name}`,
                fix: 'Name one of spec.volumes.',
              },
            );
          const directory = directoryOf(volume, sandbox, pod.metadata?.namespace ?? '');
          const source =
            subPath === undefined || subPath === ''
              ? directory
              : within(directory, safePath(subPath, `container ${container.name}, volumeMount ${mountPath}`));
          const fixed = readOnly || isProjection(volume) || volume.hostPath !== undefined;
          return {
            source,
            target: posix.resolve('/', mountPath),
            readOnly: fixed,
            isFile: statSync(source).isFile(),
          };
        },
      );
      // Outer mounts first, whatever order they are declared in.
      return [...etc, ...declared].sort((a, b) => a.target.length - b.target.length);
    },
  };
}

async function readAll<T extends object | string>(
  names: Iterable<string>,
  read: (name: string) => Promise<T | undefined>,
): Promise<Map<string, T>> {
  const found = new Map<string, T>();
  await Promise.all(
    [...names].map(async (name) => {
      const value = await read(name);
      if (value !== undefined) found.set(name, value);
    }),
  );
  return found;
}

/** Authentication.k8s.io/v1 TokenRequest. Undefined where the API server gives no tokens. */
async function requestToken(client: Client, pod: Pod, audience: string): Promise<string | undefined> {
  const { namespace = 'default', name, uid } = pod.metadata ?? {};
  const body = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: { namespace },
    spec: {
      audiences: audience === '' ? [] : [audience],
      expirationSeconds: 3607,
      boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
    },
  };
  try {
    const answer: KubeObject & { status?: { token?: string } } = await client.create(serviceAccounts, body, {
      name: pod.spec?.serviceAccountName ?? 'default',
      subresource: 'token',
    });
    return answer.status?.token;
  } catch {
    return undefined;
  }
}

/** The directory or file of the host that a hostPath volume shows, or undefined for one that is not shown. */
function hostDirectory({ hostPath }: Volume, runtimeDirectory: string): string | undefined {
  if (!hostPath || !existsSync(hostPath.path)) return undefined;
  const path = realpathSync(hostPath.path);
  // Not the lab's own secrets, and not the kernel's views of the lab's processes.
  const hidden = [runtimeDirectory, '/run', '/proc', '/dev'];
  const overlaps = hidden.some(
    (other) =>
      path === other || other.startsWith(path === '/' ? '/' : `${path}/`) || path.startsWith(`${other}/`),
  );
  return overlaps ? undefined : path;
}

function remarkOn(volume: Volume): string | undefined {
  const { name, emptyDir, hostPath, persistentVolumeClaim: claim } = volume;
  if (emptyDir) return undefined;
  if (hostPath)
    return `Volume ${name}: ${hostPath.path} of this machine is not there or not shown to pods; the volume is empty`;
  if (claim)
    return `Volume ${name}: the claim ${claim.claimName} is an empty directory on this node, kept while the node lives`;
  const kind = Object.keys(volume).find((key) => key !== 'name') ?? 'unknown';
  return `Volume ${name}: volumes of kind ${kind} are not simulated; the volume is empty`;
}

/** Names become directory names: one segment, nothing special. */
function segment(name: string): string {
  if (!/^[A-Za-z0-9][-A-Za-z0-9_.]{0,252}$/.test(name))
    throw new PodnetError(`${JSON.stringify(name)} cannot be a directory name`, {
      code: 'config-missing',
      fix: 'Use letters, digits, "-" and ".".',
    });
  return name;
}

/** Creates the path if need be, and makes sure at each step that no link leads out of the volume. */
function within(directory: string, subPath: string): string {
  const root = realpathSync(directory);
  let path = root;
  for (const part of subPath.split('/')) {
    path = `${path}/${part}`;
    if (!existsSync(path)) mkdirSync(path);
    path = realpathSync(path);
    if (path !== root && !path.startsWith(`${root}/`))
      throw new PodnetError(`subPath ${subPath} leads out of its volume`, {
        code: 'config-missing',
        fix: 'Use a path inside the volume.',
      });
  }
  return path;
}
