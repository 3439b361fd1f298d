/**
 * The kit inside namespaces of its own, where `podnet cni test` starts it: the request as JSON in the only argument, the
 * report as JSON on stdout.
 */
import { mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { defaultBefore, defaultConfig } from '../cni/kit/default-configs.ts';
import { runKit } from '../cni/kit/kit.ts';
import { pluginNamed, pluginNames } from '../cni/plugins/registry.ts';
import { installPlugins } from '../cni/runtime/install-plugins.ts';
import { buildShim } from '../cni/server/build-shim.ts';
import { startCniServer } from '../cni/server/server.ts';
import type { JsonObject } from '../cni/spec/json.ts';
import { mount } from '../kernel/ffi.ts';

export interface KitRequest {
  /** Path of an executable, or the name of one of ours. */
  readonly plugin: string;
  readonly config?: JsonObject;
  readonly before?: JsonObject;
  readonly directories: readonly string[];
}

/** Plugins keep state here; nothing of the machine's own is seen or touched. */
function coverStateDirectories(): void {
  for (const directory of ['/run', '/var/lib/cni']) {
    try {
      mkdirSync(directory, { recursive: true });
      mount(directory, { type: 'tmpfs', data: 'mode=0755' });
    } catch (error) {
      // Without root /var/lib/cni cannot be made; then no plugin can write there either.
      if (directory === '/run') throw error;
    }
  }
}

/** Our plugins as they are installed for a runtime, answered by a server in this process. */
async function installOwn(): Promise<{ directory: string; close(): Promise<void> }> {
  const directory = '/run/podnet-kit';
  const socket = join(directory, 'cni.sock');
  const shim = await buildShim();
  const config = { socket, spool: join(directory, 'spool'), program: '/bin/false' };
  installPlugins({ directory, shim, names: pluginNames, config });
  const server = await startCniServer({ socketPath: socket, findPlugin: pluginNamed });
  return { directory, close: () => server.close() };
}

const request = JSON.parse(process.argv[2] ?? '{}') as KitRequest;
const isOwn = !request.plugin.includes('/');
coverStateDirectories();
// Other makers' plugins may want ours too: before them, or for addresses. Without a compiler they do without.
const own = await installOwn().catch((error: unknown) => {
  if (isOwn) throw error;
});
const plugin = isOwn ? join(own?.directory ?? '', request.plugin) : request.plugin;
const type = basename(plugin);
const report = await runKit({
  plugin,
  config: request.config ?? defaultConfig(type),
  before: request.before ?? (request.config ? undefined : defaultBefore(type)),
  directories: [dirname(plugin), ...(own ? [own.directory] : []), ...request.directories],
});
await own?.close();
process.stdout.write(`${JSON.stringify({ ...report, plugin: request.plugin })}\n`);
