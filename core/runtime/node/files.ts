/** The files and variables that a config refers to. */
import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

export const readText = (file: string): string => readFileSync(file, 'utf8')

/** How a file holds a secret; what follows is for people. */
export const firstLineOf = (file: string): string | undefined => readText(file).split(/\r?\n/, 1)[0]

/** A way to a file that is relative to the folder of another one. */
export const besides = (file: string, path: string): string => resolve(dirname(file), path)

export const inFolder = (folder: string, path: string): string => resolve(folder, path)

export const absolute = (file: string): string => resolve(file)

export const folderOf = (file: string): string => dirname(resolve(file))

export const isWritableByOthers = (file: string): boolean => (statSync(file).mode & 0o022) !== 0

export const isReadableByOthers = (file: string): boolean => (statSync(file).mode & 0o077) !== 0

export const variable = (name: string): string | undefined => process.env[name]
