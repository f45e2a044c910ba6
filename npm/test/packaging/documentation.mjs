// Finds exported members without a doc comment in the built declarations.

import { createRequire } from "node:module";
import { join } from "node:path";

const ts = createRequire(import.meta.url)("typescript");

/**
 * Returns the names of the members that the entry points `files` of the package in `root` export, with the members of their types
 * and of the types that their signatures name, and the names of those without a doc comment. Constants whose value is a text of
 * several words need none.
 */
export function documentation(root, files) {
  const paths = files.map((file) => join(root, file));
  const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, lib: ["lib.es2022.d.ts", "lib.dom.d.ts"] };
  const program = ts.createProgram(paths, options);
  const checker = program.getTypeChecker();
  const seen = new Map();
  const visit = (symbol, name) => {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const declarations = (target.declarations ?? []).filter((one) => one.getSourceFile().fileName.startsWith(root));
    if (!declarations.length || seen.has(target) || name.includes("#")) return;
    const isModule = Boolean(target.flags & ts.SymbolFlags.ValueModule);
    seen.set(target, { name, documented: isModule || isText(target) || declarations.some(isDocumented) });
    for (const member of membersOf(target, isModule)) visit(member, `${name}.${member.name}`);
    for (const declaration of isModule ? [] : declarations) visitNamed(declaration);
  };
  /** The types that a declaration names. */
  const visitNamed = (node) => {
    const named = ts.isTypeReferenceNode(node) ? node.typeName : ts.isExpressionWithTypeArguments(node) ? node.expression : undefined;
    const symbol = named && checker.getSymbolAtLocation(named);
    if (symbol) visit(symbol, symbol.name);
    ts.forEachChild(node, visitNamed);
  };
  const isText = (symbol) => {
    const type = checker.getTypeOfSymbol(symbol);
    return type.isStringLiteral() && type.value.includes(" ");
  };
  const membersOf = (symbol, isModule) => {
    if (isModule) return checker.getExportsOfModule(symbol);
    const isType = symbol.flags & ts.SymbolFlags.Type;
    return checker.getPropertiesOfType(isType ? checker.getDeclaredTypeOfSymbol(symbol) : checker.getTypeOfSymbol(symbol));
  };
  for (const path of paths) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(path));
    for (const symbol of checker.getExportsOfModule(module)) visit(symbol, symbol.name);
  }
  const members = [...seen.values()];
  return { members: members.map(({ name }) => name), undocumented: members.filter(({ documented }) => !documented).map(({ name }) => name) };
}

/** Whether a doc comment belongs to the declaration, or to the statement that contains it. */
function isDocumented(declaration) {
  const statement = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
  return ts.getJSDocCommentsAndTags(statement).length > 0;
}
