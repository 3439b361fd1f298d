import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';
import { errorMessage, PodnetError } from '../model/errors.ts';

/** How to reach one API server, and as whom. */
export interface ClusterAccess {
  /** `https://172.18.0.1:6443`, perhaps with a path. */
  readonly server: string;
  /** PEM. Absent: the system's certificate authorities. */
  readonly ca?: string;
  /** Client certificate, PEM. */
  readonly cert?: string;
  /** Private key of `cert`, PEM. */
  readonly key?: string;
  readonly token?: string;
  /** Read again as it changes: tokens of service accounts are renewed in place. */
  readonly tokenFile?: string;
  readonly basic?: { readonly username: string; readonly password: string };
  /** The name the server's certificate must carry, when it is not the host of `server`. */
  readonly serverName?: string;
  readonly insecureSkipTlsVerify?: boolean;
  /** The context's namespace, `default` if it has none. */
  readonly namespace: string;
}

type Fields = Readonly<Record<string, unknown>>;

interface ParseOptions {
  /** Where the text came from: for messages, and paths in it are relative to it. */
  readonly path: string;
  /** Another context than `current-context`. */
  readonly context?: string | undefined;
}

/** Reads a kubeconfig file. Throws `PodnetError` with file and field. */
export function loadKubeconfig(path: string, { context }: { context?: string } = {}): ClusterAccess {
  return parseKubeconfig(readText(path, 'kubeconfig'), { path, context });
}

/** The access of one context of a kubeconfig (kind `Config` of client.authentication in kubectl's words). */
export function parseKubeconfig(text: string, { path, context }: ParseOptions): ClusterAccess {
  const config = asFields(parseYaml(text, path));
  const contextName = context ?? string(config, 'current-context');
  if (!contextName)
    throw problem(path, 'current-context', 'is not set', 'Run kubectl config use-context NAME');
  const chosen = named(config, 'contexts', 'context', contextName, path);
  const cluster = named(config, 'clusters', 'cluster', string(chosen, 'cluster') ?? '', path);
  const userName = string(chosen, 'user');
  const user = userName ? named(config, 'users', 'user', userName, path) : {};
  refuse(cluster, ['proxy-url'], `clusters[${string(chosen, 'cluster')}]`, path);
  refuse(
    user,
    ['exec', 'auth-provider', 'as', 'as-groups', 'as-uid', 'as-user-extra'],
    `users[${userName}]`,
    path,
  );

  const server = string(cluster, 'server');
  if (!server || !/^https?:$/.test(URL.parse(server)?.protocol ?? ''))
    throw problem(
      path,
      `clusters[${string(chosen, 'cluster')}].server`,
      `is not a URL: ${server ?? 'absent'}`,
      'Write https://HOST:PORT.',
    );
  const pem = (fields: Fields, name: string): string | undefined => inlineOrFile(fields, name, path);
  const tokenFile = string(user, 'tokenFile');
  const username = string(user, 'username');
  const access = {
    server,
    ca: pem(cluster, 'certificate-authority'),
    cert: pem(user, 'client-certificate'),
    key: pem(user, 'client-key'),
    token: tokenFile ? undefined : string(user, 'token'),
    tokenFile: tokenFile && resolve(dirname(path), tokenFile),
    basic: username ? { username, password: string(user, 'password') ?? '' } : undefined,
    serverName: string(cluster, 'tls-server-name'),
    insecureSkipTlsVerify: cluster['insecure-skip-tls-verify'] === true ? true : undefined,
    namespace: string(chosen, 'namespace') ?? 'default',
  };
  return withoutUndefined(access);
}

/** The access of a pod through its service account. Throws `PodnetError` outside a pod. */
export function inClusterAccess(
  directory = '/var/run/secrets/kubernetes.io/serviceaccount',
  environment: Readonly<Record<string, string | undefined>> = process.env,
): ClusterAccess {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = environment;
  if (!host || !port)
    throw new PodnetError('this process does not run in a pod: KUBERNETES_SERVICE_HOST is not set', {
      code: 'kubeconfig-missing',
      where: 'KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT',
      fix: 'Name a kubeconfig file.',
    });
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: readText(`${directory}/ca.crt`, 'cluster CA'),
    tokenFile: `${directory}/token`,
    namespace: readText(`${directory}/namespace`, 'namespace').trim(),
  };
}

function named(config: Fields, list: string, field: string, name: string, path: string): Fields {
  const entries = Array.isArray(config[list]) ? config[list].map(asFields) : [];
  const entry = entries.find((candidate) => candidate['name'] === name);
  if (!entry) {
    const names = entries.map((candidate) => String(candidate['name'])).join(', ');
    throw problem(
      path,
      list,
      `has no entry named "${name}"; it has: ${names || 'none'}`,
      'Name one that exists, or add it with kubectl config.',
    );
  }
  return asFields(entry[field]);
}

function inlineOrFile(fields: Fields, name: string, path: string): string | undefined {
  const data = string(fields, `${name}-data`);
  if (data) return decodeBase64(data, `${name}-data`, path);
  const file = string(fields, name);
  return file && readText(resolve(dirname(path), file), name);
}

function decodeBase64(data: string, name: string, path: string): string {
  if (!/^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(data))
    throw problem(
      path,
      name,
      'is not base64',
      'Encode the PEM file with base64 -w0, or name the file instead.',
    );
  return Buffer.from(data, 'base64').toString('utf8');
}

function refuse(fields: Fields, names: readonly string[], place: string, path: string): void {
  for (const name of names)
    if (fields[name] !== undefined && fields[name] !== null && fields[name] !== '')
      throw problem(
        path,
        `${place}.${name}`,
        'is not supported',
        'Use a client certificate, token or tokenFile.',
      );
}

function readText(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new PodnetError(`cannot read the ${what}: ${errorMessage(error)}`, {
      code: 'kubeconfig-unreadable',
      where: path,
      fix: 'Check that the file exists and that you may read it.',
      cause: error,
    });
  }
}

/** JSON is YAML, and what a program wrote is JSON: the YAML library takes longer to load than all else here. */
function parseYaml(text: string, path: string): unknown {
  try {
    if (text.startsWith('{')) return JSON.parse(text);
  } catch {
    // YAML may start with a brace too.
  }
  try {
    const { parse } = createRequire(import.meta.url)('yaml') as typeof Yaml;
    return parse(text, { version: '1.1', maxAliasCount: 100 });
  } catch (error) {
    throw problem(path, '', `is not YAML: ${errorMessage(error)}`, 'Correct it where the message says.');
  }
}

function problem(path: string, field: string, what: string, fix?: string): PodnetError {
  return new PodnetError(`the kubeconfig ${path}${field && `: ${field}`} ${what}`, {
    code: 'kubeconfig-invalid',
    where: field ? `${path}: ${field}` : path,
    ...(fix !== undefined && { fix }),
  });
}

function string(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function asFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function withoutUndefined<T extends { server: string; namespace: string }>(
  value: T,
): Defined<T> & Pick<T, 'server' | 'namespace'> {
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(entries) as Defined<T> & Pick<T, 'server' | 'namespace'>;
}
