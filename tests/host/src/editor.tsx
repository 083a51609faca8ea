/** Stands in for monaco-editor and @monaco-editor/react: a text field that can do as much as tests need. */
import type { ChangeEvent } from 'react';

interface EditorProps {
  readonly value?: string;
  readonly defaultValue?: string;
  readonly onChange?: (value: string) => void;
  readonly options?: { readonly readOnly?: boolean };
}

export function Editor({ value, defaultValue, onChange, options }: EditorProps) {
  return (
    <textarea
      style={{ width: '100%', height: '100%' }}
      readOnly={options?.readOnly}
      defaultValue={value ?? defaultValue}
      onChange={({ target }: ChangeEvent<HTMLTextAreaElement>) => onChange?.(target.value)}
    />
  );
}

export function DiffEditor({ modified }: { readonly modified?: string }) {
  return <pre>{modified}</pre>;
}

export const loader = { config() {}, init: () => Promise.resolve({}) };
export const useMonaco = () => null;
export const editor = {};
export const languages = {};
export default Editor;
