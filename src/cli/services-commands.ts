/** The commands about Services: what every node does for them, and why one does not work. */
import { Option, type Command } from 'commander';
import { type Named, type Printed, examples, finish, nameOption, outputOption } from './options.ts';

const namespaceOption = (): Option =>
  new Option('-n, --namespace <namespace>', 'of names that do not say theirs').default('default');

export function addServicesCommands(program: Command): void {
  program
    .command('services')
    .description(
      'what each node does for each Service: addresses, rule of choice, endpoints, and why one is left out',
    )
    .argument('[service]', 'NAME or NAMESPACE/NAME; all of them unless told')
    .addOption(nameOption())
    .addOption(namespaceOption())
    .option('--node <node>', 'only what this node does')
    .addOption(outputOption())
    .addHelpText(
      'after',
      examples(
        './podnet services                       all Services at a glance',
        './podnet services web                   one in full, node by node where they differ',
        './podnet services shop/web --node node-2 -o yaml',
      ),
    )
    .action(
      finish(async (service: string | undefined, options: ServicesOptions) =>
        (await import('./services.ts')).services(service, options),
      ),
    );

  const debug = program.command('debug').description('look for what is wrong');
  debug
    .command('services')
    .alias('service')
    .description(
      'check a Service from its object to a real connection from each node, and say the first thing that is wrong',
    )
    .argument('<service>', 'NAME or NAMESPACE/NAME')
    .addOption(nameOption())
    .addOption(namespaceOption())
    .addOption(outputOption())
    .addHelpText('after', examples('./podnet debug services web', './podnet debug services shop/web -o json'))
    .action(
      finish(async (service: string, options: ServicesOptions) =>
        (await import('./debug-services.ts')).debugServices(service, options),
      ),
    );
}

export interface ServicesOptions extends Named, Printed {
  readonly namespace: string;
  readonly node?: string;
}
