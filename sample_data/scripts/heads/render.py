"""Render one person: layers of triangles, a z-buffer, soft light and shadow, and an alpha channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import hair, light, materials, mesh
from .identity import Identity
from .raster import Floats, Fragments, Ints, nearest, rasterize, rotation, vertex_normals
from .view import View

FIELD = 3.55  # decimetres across the picture at zoom 1
DISTANCE = 13.0  # decimetres from the camera to the face
SHOULDER = np.array([1.45, 5.35], np.float32)
ARM_TURN = 0.62  # radians: the mesh holds its arms out, people let them hang


@dataclass(frozen=True, eq=False)
class Surface:
    """All layers of a person, one after another.

    Vertices: world place (n, 3), place on the neutral head (n, 3), normal (n, 3), number in the mesh (n,).
    Triangles: corners (m, 3), material (m,), shell height from 0 to 1 (m,).
    """

    world: Floats
    neutral: Floats
    normal: Floats
    vertex: Ints
    triangles: Ints
    material: NDArray[np.int8]
    height: Floats


def _hang_arms(vertices: Floats, neutral: Floats) -> Floats:
    """Turn the upper arms down about the shoulders, smoothly."""
    side = np.sign(neutral[:, 0])
    reach = np.abs(neutral[:, 0]) - SHOULDER[0]
    blend = np.clip((reach + 0.55 * (SHOULDER[1] - neutral[:, 1])) / 1.1, 0, 1)
    # The flank below the armpit is torso, not arm: it lies inside the line along the arm.
    arm = np.clip((np.abs(neutral[:, 0]) - 1.25 - 0.42 * np.clip(5.0 - neutral[:, 1], 0, 2)) / 0.5, 0, 1)
    angle = ARM_TURN * blend * arm
    right, up = np.abs(vertices[:, 0]) - SHOULDER[0], vertices[:, 1] - SHOULDER[1]
    turned = vertices.copy()
    turned[:, 0] = side * (SHOULDER[0] + right * np.cos(angle) + up * np.sin(angle))
    turned[:, 1] = SHOULDER[1] - right * np.sin(angle) + up * np.cos(angle)
    return np.where((np.abs(neutral[:, :1]) > 0.9) & (neutral[:, 1:2] < 6), turned, vertices).astype(np.float32)


def _layers(head: mesh.Mesh, who: Identity, view: View) -> tuple[Surface, Floats]:
    """Build the surface of a person, and the middle between the eyes (3,), before it is posed."""
    vertices = head.shaped((*who.shape, *view.expression_weights()))
    eyes = head.of(mesh.LEFT_EYE, mesh.RIGHT_EYE)
    centre = vertices[np.unique(eyes)].mean(0)
    vertices = _hang_arms(vertices, head.vertices)
    normals = vertex_normals(vertices, head.triangles)
    offset = np.array(who.texture_offset, np.float32)
    layers: list[tuple[Floats, Ints, int, float]] = [
        (vertices, head.of(mesh.SKIN), materials.SKIN, 0),
        (vertices, eyes, materials.EYE, 0),
        (vertices + normals * 0.035, head.of(mesh.SHIRT), materials.SHIRT, 0),
    ]
    if who.sex == "woman":
        layers.append((vertices, head.of(mesh.LEFT_LASHES, mesh.RIGHT_LASHES), materials.LASHES, 0))
    if who.hair.style != "bald":
        scalp = hair.scalp_triangles(head, who.hair)
        count = 8 if who.hair.length > 0.1 else 4
        for step in range(1, count + 1):
            lifted = hair.shell(head, vertices, normals, who.hair, offset, step / count)
            layers.append((lifted, scalp, materials.HAIR, step / count))
    if who.hair.style == "long":
        curtain = head.of(mesh.LONG_HAIR)
        layers += [
            (vertices + normals * lift, curtain, materials.LONG_HAIR, height)
            for lift, height in ((0.02, 0.5), (0.07, 1.0))
        ]
    return _join(layers, head, normals), centre


def _join(layers: list[tuple[Floats, Ints, int, float]], head: mesh.Mesh, normals: Floats) -> Surface:
    """Number the vertices of all layers through, each layer with its own."""
    world, used, triangles, start = [], [], [], 0
    for vertices, corners, _, _ in layers:
        vertex, renumbered = np.unique(corners, return_inverse=True)
        world.append(vertices[vertex])
        used.append(vertex)
        triangles.append(renumbered.reshape(-1, 3) + start)
        start += len(vertex)
    vertex = np.concatenate(used)
    return Surface(
        world=np.concatenate(world),
        neutral=head.vertices[vertex],
        normal=normals[vertex],
        vertex=vertex,
        triangles=np.concatenate(triangles),
        material=np.concatenate([np.full(len(corners), material, np.int8) for _, corners, material, _ in layers]),
        height=np.concatenate([np.full(len(corners), height, np.float32) for _, corners, _, height in layers]),
    )


def _pose(surface: Surface, centre: Floats, view: View) -> Surface:
    """Turn the head fully and the shoulders less, about a point behind the face."""
    origin = np.array([0, centre[1] - 0.25, 0.35], np.float32)
    head_turn, body_turn = rotation(view.yaw, view.pitch, view.roll), rotation(view.yaw * 0.45)
    share = np.clip((surface.neutral[:, 1:2] - 5.9) / 0.7, 0, 1)
    place = surface.world - origin
    world = place @ head_turn.T * share + place @ body_turn.T * (1 - share)
    normal = surface.normal @ head_turn.T * share + surface.normal @ body_turn.T * (1 - share)
    fields = {name: getattr(surface, name) for name in ("neutral", "vertex", "triangles", "material", "height")}
    return Surface(world=world, normal=normal, **fields)


def _project(world: Floats, view: View, size: int) -> Floats:
    """Return pixel x, pixel y and distance (n, 3) of world places (n, 3)."""
    away = DISTANCE - world[:, 2]
    focal = size / (FIELD / view.zoom) * DISTANCE
    x = size / 2 + focal * world[:, 0] / away + view.shift[0] * size
    y = size / 2 - focal * world[:, 1] / away + view.shift[1] * size
    return np.stack([x, y, away], 1).astype(np.float32)


def _facing(surface: Surface, screen: Floats) -> Ints:
    """Return the triangles that face the camera; hair is seen from both sides."""
    a, b, c = (screen[surface.triangles[:, corner]] for corner in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    return np.flatnonzero((area < 0) | (surface.material >= materials.LASHES))


def _solid(surface: Surface, fragments: Fragments, who: Identity) -> NDArray[np.bool_]:
    """Tell which fragments are really there: strands of hair, lashes, the shirt below its collar."""
    offset = np.array(who.texture_offset, np.float32)
    place = at_fragments(surface.neutral, surface, fragments)
    material, height = surface.material[fragments.triangle], surface.height[fragments.triangle]
    solid = np.ones(len(place), np.bool_)
    for kind, test in ((materials.HAIR, hair.is_strand), (materials.LONG_HAIR, hair.is_hanging)):
        at = np.flatnonzero(material == kind)
        solid[at] = test(place[at], height[at], who.hair, offset)
    at = np.flatnonzero(material == materials.LASHES)
    fine = mesh.noise(place[at] * np.array([90, 4, 4], np.float32))
    solid[at] = (fine > 0.45) & (place[at, 2] < 1.405)
    at = np.flatnonzero(material == materials.SHIRT)
    x, y, z = place[at].T
    solid[at] = y < 5.86 + 0.10 * np.abs(x) - 0.22 * np.clip(z - 0.2, 0, 1)
    return solid


def at_fragments(values: Floats, surface: Surface, fragments: Fragments) -> Floats:
    """Blend values of vertices (n, ...) over the fragments."""
    corners = values[surface.triangles[fragments.triangle]]
    return np.einsum("ij,ij...->i...", fragments.weights, corners)


def _see(head: mesh.Mesh, surface: Surface, fragments: Fragments) -> materials.Points:
    """Gather what the materials need to know of the visible fragments."""
    return materials.Points(
        place=at_fragments(surface.neutral, surface, fragments),
        material=surface.material[fragments.triangle],
        height=surface.height[fragments.triangle],
        occlusion=at_fragments(head.occlusion[surface.vertex], surface, fragments),
        lips=at_fragments(head.lips[surface.vertex], surface, fragments),
        lids=at_fragments(head.lids[surface.vertex], surface, fragments),
    )


def render(
    who: Identity, view: View, size: int, *, supersample: int = 2, shadow: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Render a person: colour (size, size, 3) from 0 to 255, and alpha (size, size) from 0 to 1.

    The colour is not multiplied by alpha; where alpha is 0 it means nothing. Give `compose` both.
    """
    head = mesh.load()
    fine = size * supersample
    surface, centre = _layers(head, who, view)
    surface = _pose(surface, centre, view)
    screen = _project(surface.world, view, fine)
    drawn = _facing(surface, screen)
    fragments = rasterize(screen, surface.triangles[drawn], fine)
    fragments = Fragments(fragments.pixel, drawn[fragments.triangle], fragments.weights, fragments.depth)
    fragments = fragments.take(_solid(surface, fragments, who))
    fragments = fragments.take(nearest(fragments, fine))
    points = _see(head, surface, fragments)
    normal = at_fragments(surface.normal, surface, fragments)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    lit = np.ones(len(normal), np.float32)
    if shadow:
        caster = light.Caster(surface.world, surface.neutral, surface.triangles, surface.material, surface.height)
        lit = light.shadow(caster, at_fragments(surface.world, surface, fragments), who, view)
    colour, gloss = materials.colour_and_gloss(points, who, view)
    shaded = light.shade(colour, gloss, normal, lit, points, view)
    return _downsample(shaded, fragments.pixel, size, supersample)


def _downsample(
    shaded: Floats, pixel: Ints, size: int, supersample: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Average fine pixels (n, 3) into the picture and its alpha."""
    fine = size * supersample
    layered = np.zeros((fine * fine, 4), np.float32)
    layered[pixel, :3] = shaded
    layered[pixel, 3] = 1
    mean = layered.reshape(size, supersample, size, supersample, 4).mean((1, 3))
    alpha = mean[..., 3]
    rgb = mean[..., :3] / np.maximum(alpha, 1e-6)[..., None]
    return (np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8), alpha
