/**
 * Every error that an operator can meet, in one table. Tests assert codes, never prose.
 * The message says what is wrong and where; `remedy` says what to do.
 */
export const ERRORS = {
  // config
  CONFIG_NOT_FOUND: 'name an existing file that can be read, with -c or in the `!include`',
  CONFIG_SYNTAX: 'mend the YAML at the line named',
  CONFIG_INVALID: 'change the value at the line named to what was expected',
  CONFIG_SECRET_MISSING: 'create the file or set the environment variable that the reference names',
  CONFIG_INCLUDE: 'take out an `!include`, so that no file includes itself and few stand inside of others',
  SAMPLE_USERS_EXPOSED:
    'copy the sample users file, change its passwords, and name the copy; or listen on 127.0.0.1 only',
  RELOAD_STOPPING: 'start the server again; it reads the new config then',
  RELOAD_RESTART: 'restart the server for this change, or take it back',
  DEPLOYMENT_INVALID:
    'give each deployment a name of its own, plugins of its own, no deployment inside, and secrets that `secrets` lists',
  // plugins
  PLUGIN_UNKNOWN:
    'use one of the names listed, or install the npm package beside the config (npm install NAME), or name a file as ./FILE',
  PLUGIN_MODULE: 'mend the plugin file or package as the message says, or ask who wrote it',
  PLUGIN_TYPESCRIPT:
    'run Node 22.18 or later, or set `transpiler: esbuild` and run `npm install esbuild` in the folder of the config',
  PLUGIN_OPTIONS: 'change the option at the line named to what was expected',
  PLUGIN_REQUIRES: 'put a plugin that provides it earlier in the list',
  PLUGIN_ORDER: 'move the provider above the plugin that requires it',
  PLUGIN_CYCLE: 'use another plugin in place of one of those named: no order of the list can serve them all',
  PLUGIN_CONFLICT: 'keep one of the two plugins named, or call one of them something else with `as: NAME`',
  PLUGIN_SETUP: 'mend what the message names; the plugin could not be set up',
  PLUGIN_START: 'mend what the message names; the plugin could not start',
  PLUGIN_FAULT: 'mend what the message names; the plugin failed while it served',
  PLUGIN_TIMEOUT: 'find out what the plugin named waits for',
  // users, pools, files of plugins
  USERS_FILE: 'mend the users file at the line named',
  POOL_INVALID:
    'give ranges and prefixes as address-address or address/length, without host bits or zone ids',
  ACCOUNTING_FILE: 'make the folder of the accounting file exist and be writable',
  ACCOUNTING_SPOOL:
    'give each server, and each accounting-radius of it, a spool folder of its own that can be written',
