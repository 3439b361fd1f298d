/** The commands around CNI: a runtime's role by hand, and what real runtimes need of this machine. */
import { Option, type Command } from 'commander';
import { type Printed, collect, examples, finish, outputOption } from './options.ts';

const NETNS_HELP = 'path of a network namespace, or the name of one that `ip netns` knows';

export function addCniCommands(program: Command): void {
  addPluginCommand(program);
  const cni = program
    .command('cni')
    .description('run CNI networks by hand, and install the plugins for container runtimes')
    .addHelpText(
      'after',
      examples(
        './podnet cni install --dir /opt/cni/bin       plugins for containerd, CRI-O and podman',
        './podnet cni serve                            answer them, on a machine without a cluster',
        './podnet cni add mynet /run/netns/test        what a runtime would do',
      ),
    );

  attachment(cni, 'add', 'attach a namespace to a network, and print the result')
    .addOption(outputOption())
    .addHelpText(
      'after',
      examples(
        'ip netns add test',
        './podnet cni add mynet test',
        './podnet cni add mynet /proc/1234/ns/net --ifname net1 -o yaml',
        `./podnet cni add web test --capability-args '{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}'`,
      ),
    )
    .action(finish(async (network, netns, options) => (await actions()).add(network, netns, options)));

  attachment(cni, 'del', 'take a namespace off a network, with the configuration it was attached with')
    .addHelpText(
      'after',
      examples('./podnet cni del mynet test', './podnet cni del mynet test --ifname net1'),
    )
    .action(finish(async (network, netns, options) => (await actions()).del(network, netns, options)));

  attachment(cni, 'check', 'see whether an attachment is still as it was made')
    .addHelpText('after', examples('./podnet cni check mynet test'))
    .action(finish(async (network, netns, options) => (await actions()).check(network, netns, options)));

  places(
    cni
      .command('gc')
      .description('take away attachments whose namespace is gone, and what their plugins still keep')
      .argument('<network>', 'name of the network'),
  )
    .option('--keep <attachment>', 'CONTAINERID/IFNAME that stays in any case; repeatable', collect)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `\nAn attachment is known by its file in --cache-dir. Plugins forget all others of the network, so let all
runtimes that use it share that directory (they do unless told otherwise), or name their attachments with --keep.
${examples('./podnet cni gc mynet', './podnet cni gc mynet --keep 7f3a/eth0 -o json')}`,
    )
    .action(finish(async (network, options) => (await actions()).gc(network, options)));

  places(
    cni
      .command('status')
      .description('whether a network could take a container now: its plugins, their versions, what they say')
      .argument('<network>', 'name of the network'),
  )
    .addOption(outputOption())
    .addHelpText('after', examples('./podnet cni status mynet', './podnet cni status mynet -o json'))
    .action(finish(async (network, options) => (await actions()).status(network, options)));

  cni
    .command('install')
    .description('put the plugins where container runtimes look for them')
    .addOption(directoryOption())
    .addOption(socketOption())
    .option('--plugin <name>', 'install this one; repeatable; all unless told', collect)
    .option('--force', 'replace plugins of others; uninstall puts them back')
    .addOption(outputOption())
    .addHelpText(
      'after',
      examples(
        './podnet cni install --dir /opt/cni/bin',
        './podnet cni install --dir /opt/cni/bin --plugin bridge --plugin host-local --force',
      ),
    )
    .action(finish(async (options) => (await import('./cni-install.ts')).install(options)));

  cni
    .command('uninstall')
    .description('take the plugins out again')
    .addOption(directoryOption())
    .addOption(outputOption())
    .addHelpText('after', examples('./podnet cni uninstall --dir /opt/cni/bin'))
    .action(finish(async (options) => (await import('./cni-install.ts')).uninstall(options)));

  cni
    .command('test')
    .description('run any CNI plugin through the whole specification, and report what it does otherwise')
    .argument('<plugin>', 'path of an executable, name of one in --plugin-dir, or one of our own')
    .option('--config <file>', "of one plugin (default the plugin's usual keys, or only its type)")
    .option(
      '--before [file]',
      'it is a chained plugin: configuration of the one that goes before it (default ptp with host-local)',
    )
    .addOption(
      new Option(
        '--plugin-dir <directory>',
        'of plugins it delegates to; repeatable (default $CNI_PATH, or /opt/cni/bin and /usr/lib/cni)',
      ).argParser(collect),
    )
    .addOption(outputOption())
    .addHelpText(
      'after',
      `\nEverything happens in network namespaces of its own; of this machine's network nothing is touched.
${examples(
  './podnet cni test /usr/lib/cni/bridge',
  './podnet cni test ./static-route --config static-route.json --before',
  './podnet cni test bridge -o json | jq .failed',
)}`,
    )
    .action(finish(async (plugin, options) => (await import('./cni-test.ts')).cniTest(plugin, options)));

  cni
    .command('serve')
    .description('answer the installed plugins, on a machine with a container runtime and no cluster')
    .addOption(socketOption())
    .option('--spool <directory>', 'where deletions wait while nobody answers', '/var/lib/podnet/cni/spool')
    .addHelpText('after', examples('./podnet cni serve', './podnet cni serve --socket /run/podnet/cni.sock'))
    .action(finish(async (options) => (await import('./cni-serve.ts')).serve(options)));
}

/** What the forwarder executes when there is no agent; runtimes could too. */
function addPluginCommand(program: Command): void {
  program
    .command('cni-plugin')
    .description('be one of our CNI plugins: CNI_ variables and stdin as a container runtime gives them')
    .argument('<name>', 'of the plugin')
    .addHelpText('after', examples('CNI_COMMAND=VERSION ./podnet cni-plugin bridge < /dev/null'))
    .action(finish(async (name: string) => (await import('./cni-plugin.ts')).cniPlugin(name)));
}

const actions = () => import('./cni.ts');

const directoryOption = (): Option =>
  new Option('--dir <directory>', 'of the plugins').default('/opt/cni/bin');

const socketOption = (): Option =>
  new Option('--socket <path>', 'on which the plugins are answered').default('/run/podnet/cni.sock');

/** Where networks, plugins and results are; the environment is that of cnitool. */
function places(command: Command): Command {
  return command
    .addOption(
      new Option('--conf-dir <directory>', 'of the networks').env('NETCONFPATH').default('/etc/cni/net.d'),
    )
    .addOption(
      new Option(
        '--plugin-dir <directory>',
        'of the plugins; repeatable (default $CNI_PATH, or /opt/cni/bin and /usr/lib/cni)',
      ).argParser(collect),
    )
    .addOption(new Option('--cache-dir <directory>', 'of what was attached').default('/var/lib/cni'));
}

function attachment(parent: Command, name: string, description: string): Command {
  return places(
    parent
      .command(name)
      .description(description)
      .argument('<network>', 'name of the network')
      .argument('<netns>', NETNS_HELP),
  )
    .addOption(new Option('--ifname <name>', 'of the interface').env('CNI_IFNAME').default('eth0'))
    .addOption(new Option('--container-id <id>', 'made of the namespace unless told').env('CNI_CONTAINERID'))
    .addOption(new Option('--args <pairs>', 'KEY=VALUE;KEY=VALUE for the plugins').env('CNI_ARGS'))
    .addOption(
      new Option('--capability-args <json>', 'what is known at run time, by capability').env('CAP_ARGS'),
    );
}

export interface CniPlaces {
  readonly confDir: string;
  readonly pluginDir?: readonly string[];
  readonly cacheDir: string;
}

export interface CniAttachmentOptions extends CniPlaces {
  readonly ifname: string;
  readonly containerId?: string;
  readonly args?: string;
  readonly capabilityArgs?: string;
}

export interface CniGcOptions extends CniPlaces, Printed {
  readonly keep?: readonly string[];
}
