// Makes dist/: the client as the site serves it, and its types as its JSDoc tells them.
import { spawnSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const here = import.meta.dirname;
const dist = join(here, 'dist');
const require = createRequire(import.meta.url);
const compiler = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');

rmSync(dist, { recursive: true, force: true });
cpSync(join(here, '..', '..', 'static', 'js', 'client'), dist, { recursive: true });
const { status } = spawnSync(process.execPath, [compiler, '--project', here], { stdio: 'inherit' });
process.exitCode = status ?? 1;
